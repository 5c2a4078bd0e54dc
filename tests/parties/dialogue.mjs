// How a test and a client of others talk: the client prints lines of JSON and reads lines of JSON. What only a person
// can do (log in, agree) the client asks for with { go: address } and is told where the browser ended.
import { createInterface } from 'node:readline';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { readFileSync } from 'node:fs';

const require = createRequire(`${process.cwd()}/`);
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
export const library = (name) => import(pathToFileURL(require.resolve(name)));
export const say = (told) => process.stdout.write(`${JSON.stringify(told)}\n`);

export async function ask(told) {
  say(told);
  return JSON.parse((await lines.next()).value);
}

export async function privateKey(jwk, alg = 'ES256') {
  const kinds = { ES256: { name: 'ECDSA', namedCurve: 'P-256' } };
  const key = await crypto.subtle.importKey('jwk', { ...jwk, key_ops: undefined, use: undefined }, kinds[alg], false, ['sign']);
  return { key, kid: jwk.kid };
}

export async function run(steps) {
  const [, , file, step] = process.argv;
  try {
    say({ done: (await steps[step](JSON.parse(readFileSync(file)))) ?? {} });
  } catch (error) {
    say({ failed: `${error.name}: ${error.message}`, code: error.code, error: error.error, cause: String(error.cause?.message ?? JSON.stringify(error.cause) ?? '') });
  }
  process.exit();
}
