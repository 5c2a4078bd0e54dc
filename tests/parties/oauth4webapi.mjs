// Ours, driven by the npm package oauth4webapi, request by request, as its documentation says.
import { ask, library, privateKey, run } from './dialogue.mjs';

const oauth = await library('oauth4webapi');
const plain = { [oauth.allowInsecureRequests]: true };

async function server(told, algorithm = 'oidc') {
  const issuer = new URL(told.issuer);
  return oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, { algorithm, ...plain }));
}

async function party(told, name, metadata = {}) {
  const { client_id, jwk } = told.clients[name];
  return [{ client_id, ...metadata }, jwk ? oauth.PrivateKeyJwt(await privateKey(jwk)) : oauth.None()];
}

// The first request may be answered with a nonce; then once more, as RFC 9449 section 8 has it.
async function twice(request, read) {
  try {
    return await read(await request());
  } catch (error) {
    if (!oauth.isDPoPNonceError(error)) throw error;
    return read(await request());
  }
}

const steps = {
  async code_flow(told) {
    const as = await server(told);
    const [client, auth] = await party(told, 'app');
    const DPoP = oauth.DPoP(client, await oauth.generateKeyPair('ES256'));
    const options = { DPoP, ...plain };
    const verifier = oauth.generateRandomCodeVerifier();
    const [state, nonce] = [oauth.generateRandomState(), oauth.generateRandomNonce()];
    const parameters = new URLSearchParams({
      client_id: client.client_id,
      redirect_uri: told.clients.app.redirect_uri,
      response_type: 'code',
      scope: 'openid',
      state,
      nonce,
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
    });
    const pushed = await twice(
      () => oauth.pushedAuthorizationRequest(as, client, auth, parameters, options),
      (answer) => oauth.processPushedAuthorizationResponse(as, client, answer),
    );
    const address = new URL(as.authorization_endpoint);
    address.searchParams.set('client_id', client.client_id);
    address.searchParams.set('request_uri', pushed.request_uri);
    const { location } = await ask({ go: address.href });
    const answer = oauth.validateAuthResponse(as, client, new URL(location), state);
    const tokens = await twice(
      () => oauth.authorizationCodeGrantRequest(
        as, client, auth, answer, told.clients.app.redirect_uri, verifier, options,
      ),
      (got) => oauth.processAuthorizationCodeResponse(as, client, got, { expectedNonce: nonce, requireIdToken: true }),
    );
    const claims = oauth.getValidatedIdTokenClaims(tokens);
    const person = await twice(
      () => oauth.userInfoRequest(as, client, tokens.access_token, options),
      (got) => oauth.processUserInfoResponse(as, client, claims.sub, got),
    );
    return { type: tokens.token_type, claims, person };
  },

  async machine(told) {
    const as = await server(told, 'oauth2');
    const [client, auth] = await party(told, 'machine');
    const ask_ = new URLSearchParams({ scope: told.clients.machine.scope });
    const tokens = await oauth.processClientCredentialsResponse(
      as, client, await oauth.clientCredentialsGrantRequest(as, client, auth, ask_, plain),
    );
    const headers = { authorization: `Bearer ${tokens.access_token}` };
    const request = new Request(told.audience, { headers });
    const claims = await oauth.validateJwtAccessToken(as, request, told.audience, plain);
    const metadata = { introspection_signed_response_alg: 'PS256' };
    const [service, proof] = await party(told, 'signed', metadata);
    const told_ = await oauth.processIntrospectionResponse(
      as, service, await oauth.introspectionRequest(as, service, proof, tokens.access_token, { ...plain, requestJwtResponse: true }),
    );
    await oauth.processRevocationResponse(await oauth.revocationRequest(as, client, auth, tokens.access_token, plain));
    return { claims, told: told_ };
  },

  async resource(told) {
    const address = new URL(told.audience);
    const found = await oauth.resourceDiscoveryRequest(address, plain);
    return oauth.processResourceDiscoveryResponse(address, found);
  },
};

await run(steps);
