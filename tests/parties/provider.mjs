// The npm package oidc-provider, configured for what the black-box tests ask of every server. Started with one argument:
// a JSON file { port, issuer, jwks, clients, resource, resourceServer }. Runs from the directory with node_modules.
import { createServer } from 'node:http';
import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { readFileSync } from 'node:fs';

const require = createRequire(`${process.cwd()}/`);
const { default: Provider, errors } = await import(pathToFileURL(require.resolve('oidc-provider')));
const config = JSON.parse(readFileSync(process.argv[2]));
const owns = (client, token) => token.clientId === client.clientId;

const provider = new Provider(config.issuer, {
  clients: config.clients,
  jwks: config.jwks,
  responseTypes: ['code'],
  clientAuthMethods: ['private_key_jwt', 'none'],
  enabledJWA: { clientAuthSigningAlgValues: ['ES256'], dPoPSigningAlgValues: ['ES256'] },
  scopes: ['openid', 'offline_access', 'aanleveringen:schrijven'],
  subjectTypes: ['pairwise'],
  pairwiseIdentifier: (_ctx, account, client) =>
    createHash('sha256').update(`${client.clientId} ${account}`).digest('hex'),
  pkce: { required: () => true },
  findAccount: (_ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  rotateRefreshToken: true,
  ttl: { AccessToken: 600, AuthorizationCode: 60, ClientCredentials: 600, Grant: 3600, IdToken: 300, Session: 3600 },
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: true },
    dPoP: { enabled: true, nonceSecret: Buffer.alloc(32, 7), requireNonce: () => false },
    fapi: { enabled: true, profile: '2.0' },
    introspection: {
      enabled: true,
      allowedPolicy: (_ctx, client, token) => client.clientId === config.resourceServer || owns(client, token),
    },
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
createServer(provider.callback()).listen(config.port, '127.0.0.1', () => process.stdout.write('listening\n'));
