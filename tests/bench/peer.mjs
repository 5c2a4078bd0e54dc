// The npm package oidc-provider as a peer, in memory: client credentials, codes, refresh tokens and introspection, with
// private_key_jwt (ES256), with and without DPoP. Codes and refresh tokens are put there by POST /seed, which only the
// measurement knows. Started with one argument, a JSON file; runs from the directory that holds node_modules.
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { readFileSync } from 'node:fs';

const require = createRequire(`${process.cwd()}/`);
const { default: Provider, errors } = await import(pathToFileURL(require.resolve('oidc-provider')));
const { port, issuer, clients, jwks, resource } = JSON.parse(readFileSync(process.argv[2]));
const ACCOUNT = 'somebody';

const provider = new Provider(issuer, {
  clients,
  jwks,
  clientAuthMethods: ['private_key_jwt'],
  enabledJWA: { clientAuthSigningAlgValues: ['ES256'], dPoPSigningAlgValues: ['ES256'] },
  scopes: ['openid', 'offline_access', 'aanleveringen:schrijven'],
  ttl: { ClientCredentials: 600, AccessToken: 600, IdToken: 300 },
  rotateRefreshToken: true,
  issueRefreshToken: () => true,
  findAccount: (_ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    introspection: { enabled: true },
    dPoP: { enabled: true },
    // With `resource` in the request the token is a signed JWT as ours is (RFC 9068); without it, it is opaque.
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (_ctx, indicator) => {
        if (indicator !== resource) throw new errors.InvalidTarget();
        return {
          scope: 'openid aanleveringen:schrijven',
          audience: resource,
          accessTokenTTL: 600,
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: 'PS256' } },
        };
      },
    },
  },
});

async function seed({ kind, client_id, count, redirect_uri, challenge, nonce, jkt }) {
  const client = await provider.Client.find(client_id);
  const made = [];
  for (let number = 0; number < count; number += 1) {
    const grant = new provider.Grant({ clientId: client_id, accountId: ACCOUNT });
    grant.addOIDCScope('openid offline_access');
    grant.addResourceScope(resource, 'openid');
    const common = {
      client,
      accountId: ACCOUNT,
      grantId: await grant.save(),
      gty: 'authorization_code',
      scope: 'openid offline_access',
      resource,
      authTime: Math.floor(Date.now() / 1000),
    };
    const token = kind === 'code'
      ? new provider.AuthorizationCode({
        ...common, redirectUri: redirect_uri, codeChallenge: challenge, codeChallengeMethod: 'S256', nonce,
      })
      : new provider.RefreshToken({ ...common, nonce, rotations: 0, iiat: common.authTime, jkt: jkt ?? undefined });
    made.push(await token.save());
  }
  return made;
}

const callback = provider.callback();
createServer(async (request, response) => {
  if (request.url !== '/seed') {
    callback(request, response);
    return;
  }
  try {
    const parts = [];
    for await (const part of request) parts.push(part);
    const made = JSON.stringify(await seed(JSON.parse(Buffer.concat(parts))));
    response.writeHead(200, { 'content-type': 'application/json' }).end(made);
  } catch (error) {
    response.writeHead(500).end(String(error.stack));
  }
}).listen(port, '127.0.0.1');
