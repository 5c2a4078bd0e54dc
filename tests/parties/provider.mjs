// The npm package oidc-provider, configured for what the black-box tests ask of every server. Started with one argument:
// a JSON file { port, issuer, jwks, clients, resource, resourceServer, published }. Runs from the directory with node_modules.
import { createServer } from 'node:http';
import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { readFileSync } from 'node:fs';

const require = createRequire(`${process.cwd()}/`);
const { default: Provider, errors } = await import(pathToFileURL(require.resolve('oidc-provider')));
const config = JSON.parse(readFileSync(process.argv[2]));
const owns = (client, token) => token.clientId === client.clientId;
const questions = new Map(); // what is asked at counters, by whom

const provider = new Provider(config.issuer, {
  clients: config.clients,
  jwks: config.jwks,
  responseTypes: ['code'],
  clientAuthMethods: ['private_key_jwt', 'none'],
  enabledJWA: {
    clientAuthSigningAlgValues: ['ES256'],
    dPoPSigningAlgValues: ['ES256'],
    requestObjectSigningAlgValues: ['ES256'],
  },
  scopes: ['openid', 'offline_access', 'aanleveringen:schrijven'],
  subjectTypes: ['pairwise'],
  pairwiseIdentifier: (_ctx, account, client) =>
    createHash('sha256').update(`${client.clientId} ${account}`).digest('hex'),
  pkce: { required: () => true },
  // Where clients publish their keys: nothing is fetched, their names are looked up.
  fetch: async (url) => Response.json(config.published[new URL(url).pathname.split('/').pop()]),
  findAccount: (_ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  rotateRefreshToken: true,
  ttl: {
    AccessToken: 600,
    AuthorizationCode: 60,
    BackchannelAuthenticationRequest: (_ctx, { params }) => Math.min(params?.requested_expiry ?? 300, 600),
    ClientCredentials: 600,
    Grant: 3600,
    IdToken: 300,
    RefreshToken: 21600,
    Session: 3600,
  },
  features: {
    ciba: {
      enabled: true,
      deliveryModes: ['poll'],
      processLoginHint: (_ctx, hint) => hint,
      processLoginHintToken: () => undefined,
      triggerAuthenticationDevice: (_ctx, request, account) => { questions.set(account.accountId, request); },
      validateRequestContext: () => {},
      verifyUserCode: (_ctx, _account, code) => {
        if (code !== undefined) throw new errors.InvalidRequest('there are no user codes');
      },
    },
    clientCredentials: { enabled: true },
    devInteractions: { enabled: true },
    dPoP: { enabled: true, nonceSecret: Buffer.alloc(32, 7), requireNonce: () => false },
    fapi: { enabled: true, profile: '2.0' },
    introspection: {
      enabled: true,
      allowedPolicy: (_ctx, client, token) => client.clientId === config.resourceServer || owns(client, token),
    },
    requestObjects: { enabled: true },
    pushedAuthorizationRequests: { enabled: true, requirePushedAuthorizationRequests: true },
    revocation: { enabled: true, allowedPolicy: (_ctx, client, token) => owns(client, token) },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (_ctx, indicator) => {
        if (indicator !== config.resource) throw new errors.InvalidTarget();
        return {
          scope: 'aanleveringen:schrijven',
          audience: config.resource,
          accessTokenTTL: 600,
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: 'PS256' } },
        };
      },
    },
  },
});

// The device of whoever is asked something: /device?login_hint=... shows it, and takes the answer.
async function device(req, res) {
  const who = new URL(req.url, config.issuer).searchParams.get('login_hint');
  const question = questions.get(who);
  res.setHeader('content-type', 'text/html');
  if (req.method === 'GET') {
    const buttons = '<button type="submit" name="answer" value="yes"></button><button type="submit" name="answer"></button>';
    const form = `<form method="post" action="/device"><input type="hidden" name="who" value="${who}">${buttons}</form>`;
    res.end(question ? form : '');
    return;
  }
  let body = '';
  for await (const chunk of req) body += chunk;
  const form = new URLSearchParams(body);
  const asked = questions.get(form.get('who'));
  questions.delete(form.get('who'));
  if (form.get('answer') === 'yes') {
    const grant = new provider.Grant({ accountId: asked.accountId, clientId: asked.clientId });
    grant.addOIDCScope(asked.scope);
    await grant.save();
    await provider.backchannelResult(asked, grant);
  } else {
    await provider.backchannelResult(asked, new errors.AccessDenied());
  }
  res.end('done');
}

const handle = provider.callback();
const serve = (req, res) => (req.url.startsWith('/device') ? device(req, res) : handle(req, res));
createServer(serve).listen(config.port, '127.0.0.1', () => process.stdout.write('listening\n'));
