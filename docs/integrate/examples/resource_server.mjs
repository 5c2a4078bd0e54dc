// A resource server: check a token of ours (RFC 9068) and its DPoP proof (RFC 9449), with the package oauth4webapi.
import { createServer } from 'node:http';
import * as oauth from 'oauth4webapi';

const ISSUER = 'http://localhost:8000';
const RESOURCE = 'http://localhost:9002/dossiers';
// Only because this practice server has no TLS. Remove it for a real one.
const practice = { [oauth.allowInsecureRequests]: true };

const issuer = new URL(ISSUER);
const server = await oauth.processDiscoveryResponse(
  issuer, await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...practice }),
);

// Who acts, for whom, and what was given. Decide on these three together.
function describe(claims) {
  let represents = claims.represents;
  let organisation = null;
  if (represents?.represents) {
    organisation = represents.sub; // an employee: the organisation is between him and the citizen
    represents = represents.represents;
  }
  return {
    acts: represents ? 'for another' : 'for himself',
    'same person': represents?.sub === claims.sub,
    organisation,
    level: claims.acr.split('/').at(-1),
    actions: claims.authorization_details[0].actions,
  };
}

createServer(async (incoming, response) => {
  const request = new Request(RESOURCE, { method: incoming.method, headers: new Headers(incoming.headers) });
  try {
    // Checks typ, iss, aud, exp, the signature, and the proof of a token with `cnf`.
    const claims = await oauth.validateJwtAccessToken(server, request, RESOURCE, practice);
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(describe(claims)));
  } catch (error) {
    const challenge = 'DPoP error="invalid_token"';
    response.writeHead(401, { 'content-type': 'application/json', 'www-authenticate': challenge });
    response.end(JSON.stringify({ error: 'invalid_token', reason: error.message }));
  }
}).listen(Number(new URL(RESOURCE).port), '127.0.0.1', () => console.log('Listening at', RESOURCE));
