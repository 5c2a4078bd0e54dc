// The npm package oidc-provider as a peer: client_credentials with private_key_jwt (ES256) and introspection, in memory.
// Started with one argument, a JSON object: { port, issuer, clients, jwks }. Runs from the directory that holds node_modules.
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { readFileSync } from 'node:fs';

const require = createRequire(`${process.cwd()}/`);
const { default: Provider, errors } = await import(pathToFileURL(require.resolve('oidc-provider')));
const { port, issuer, clients, jwks, resource } = JSON.parse(readFileSync(process.argv[2]));

const provider = new Provider(issuer, {
  clients,
  jwks,
  clientAuthMethods: ['private_key_jwt'],
  enabledJWA: { clientAuthSigningAlgValues: ['ES256'] },
  scopes: ['openid', 'aanleveringen:schrijven'],
  ttl: { ClientCredentials: 600 },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    introspection: { enabled: true },
    // Without `resource` in the request the token is opaque; with it, it is a signed JWT as ours is (RFC 9068).
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (_ctx, indicator) => {
        if (indicator !== resource) throw new errors.InvalidTarget();
        return {
          scope: 'aanleveringen:schrijven',
          audience: resource,
          accessTokenTTL: 600,
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: 'PS256' } },
        };
      },
    },
  },
});
createServer(provider.callback()).listen(port, '127.0.0.1');
