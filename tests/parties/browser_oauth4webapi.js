// Runs in a page of the app: oauth4webapi as its documentation says, with a DPoP key that never leaves the browser.
import * as oauth from '/oauth4webapi/index.js';

const options = { [oauth.allowInsecureRequests]: true };
let flow;

// The first request may be answered with a nonce; then once more (RFC 9449 section 8).
async function twice(request, read) {
  try {
    return await read(await request());
  } catch (error) {
    if (!oauth.isDPoPNonceError(error)) throw error;
    return read(await request());
  }
}

window.begin = async (told) => {
  const issuer = new URL(told.issuer);
  const found = await oauth.discoveryRequest(issuer, { algorithm: 'oidc', ...options });
  const as = await oauth.processDiscoveryResponse(issuer, found);
  const client = { client_id: told.client_id };
  const DPoP = oauth.DPoP(client, await oauth.generateKeyPair('ES256'));
  const verifier = oauth.generateRandomCodeVerifier();
  const [state, nonce] = [oauth.generateRandomState(), oauth.generateRandomNonce()];
  const parameters = new URLSearchParams({
    client_id: client.client_id,
    redirect_uri: told.redirect_uri,
    response_type: 'code',
    scope: 'openid',
    authorization_details: told.details,
    state,
    nonce,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
  });
  const pushed = await twice(
    () => oauth.pushedAuthorizationRequest(as, client, oauth.None(), parameters, { DPoP, ...options }),
    (answer) => oauth.processPushedAuthorizationResponse(as, client, answer),
  );
  flow = { told, as, client, DPoP, verifier, state, nonce };
  const address = new URL(as.authorization_endpoint);
  address.searchParams.set('client_id', client.client_id);
  address.searchParams.set('request_uri', pushed.request_uri);
  return address.href;
};

window.finish = async (location) => {
  const { told, as, client, DPoP, verifier, state, nonce } = flow;
  const answer = oauth.validateAuthResponse(as, client, new URL(location), state);
  const tokens = await twice(
    () => oauth.authorizationCodeGrantRequest(
      as, client, oauth.None(), answer, told.redirect_uri, verifier, { DPoP, ...options },
    ),
    (got) => oauth.processAuthorizationCodeResponse(as, client, got, { expectedNonce: nonce, requireIdToken: true }),
  );
  const claims = oauth.getValidatedIdTokenClaims(tokens);
  const person = await twice(
    () => oauth.userInfoRequest(as, client, tokens.access_token, { DPoP, ...options }),
    (got) => oauth.processUserInfoResponse(as, client, claims.sub, got),
  );
  const api = new URL(told.issuer + '/api/v1/berichten?aantal=5');
  const list = () => oauth.protectedResourceRequest(tokens.access_token, 'GET', api, undefined, undefined, { DPoP, ...options });
  const letters = await twice(list, async (got) => ({
    status: got.status, version: got.headers.get('API-Version'), body: await got.json(),
  }));
  await oauth.processRevocationResponse(
    await oauth.revocationRequest(as, client, oauth.None(), tokens.access_token, options),
  );
  let refused;
  try {
    await list();
  } catch (error) {
    refused = { status: error.response?.status, challenge: error.cause?.[0]?.parameters?.error };
  }
  return { type: tokens.token_type, sub: claims.sub, person: person.sub, letters, refused };
};
