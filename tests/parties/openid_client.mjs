// Ours, driven by the npm package openid-client as its documentation says. Nothing of ours is adapted to.
import { ask, library, privateKey, run } from './dialogue.mjs';

const oidc = await library('openid-client');

async function known(told, name, metadata = {}, options = {}) {
  const client = told.clients[name];
  const auth = client.jwk ? oidc.PrivateKeyJwt(await privateKey(client.jwk)) : oidc.None();
  const how = { execute: [oidc.allowInsecureRequests], ...options };
  return oidc.discovery(new URL(told.issuer), client.client_id, metadata, auth, how);
}

async function bound(config, options) {
  return options.dpop ? { DPoP: oidc.getDPoPHandle(config, await oidc.randomDPoPKeyPair('ES256')) } : {};
}

async function walk(told, name, { dpop = false, jar = false, ...more } = {}, metadata = {}) {
  const client = told.clients[name];
  const config = await known(told, name, metadata);
  const proof = await bound(config, { dpop });
  const verifier = oidc.randomPKCECodeVerifier();
  const checks = { pkceCodeVerifier: verifier, expectedState: oidc.randomState(), expectedNonce: oidc.randomNonce() };
  const parameters = {
    redirect_uri: client.redirect_uri,
    scope: client.scope,
    state: checks.expectedState,
    nonce: checks.expectedNonce,
    code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    ...more,
  };
  const signed = async () => {
    const url = await oidc.buildAuthorizationUrlWithJAR(config, parameters, await privateKey(client.jwk));
    return { client_id: client.client_id, request: url.searchParams.get('request') };
  };
  const address = await oidc.buildAuthorizationUrlWithPAR(config, jar ? await signed() : parameters, proof);
  const { location } = await ask({ go: address.href });
  const tokens = await oidc.authorizationCodeGrant(
    config, new URL(location), { ...checks, idTokenExpected: true }, undefined, proof,
  );
  return { config, proof, tokens };
}

const steps = {
  async code_flow(told) {
    const { config, proof, tokens } = await walk(told, told.client ?? 'app', told.options ?? {});
    const claims = tokens.claims();
    const person = await oidc.fetchUserInfo(config, tokens.access_token, claims.sub, proof);
    const before = await oidc.tokenIntrospection(config, tokens.access_token);
    await oidc.tokenRevocation(config, tokens.access_token);
    const after = await oidc.tokenIntrospection(config, tokens.access_token);
    return { type: tokens.token_type, claims, person, before, after };
  },

  async refresh(told) {
    const { config, proof, tokens } = await walk(told, 'refreshing', told.options ?? {});
    const fresh = await oidc.refreshTokenGrant(config, tokens.refresh_token, undefined, proof);
    const person = await oidc.fetchUserInfo(config, fresh.access_token, tokens.claims().sub, proof);
    let again;
    try {
      await oidc.refreshTokenGrant(config, tokens.refresh_token, undefined, proof);
    } catch (error) {
      again = error.error;
    }
    const after = await oidc.tokenIntrospection(config, fresh.access_token);
    return { rotated: fresh.refresh_token !== tokens.refresh_token, person, again, after };
  },

  async machine(told) {
    const config = await known(told, 'machine', {}, { algorithm: 'oauth2' });
    const proof = await bound(config, told.options ?? {});
    const tokens = await oidc.clientCredentialsGrant(config, { scope: told.clients.machine.scope }, proof);
    const before = await oidc.tokenIntrospection(config, tokens.access_token);
    await oidc.tokenRevocation(config, tokens.access_token);
    const after = await oidc.tokenIntrospection(config, tokens.access_token);
    return { type: tokens.token_type, before, after };
  },

  async exchange(told) {
    const { tokens } = await walk(told, 'app', { resource: told.first, authorization_details: told.details });
    const service = await known(told, 'exchanger', {}, { algorithm: 'oauth2' });
    const exchanged = await oidc.genericGrantRequest(service, 'urn:ietf:params:oauth:grant-type:token-exchange', {
      subject_token: tokens.access_token,
      subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      resource: told.second,
    });
    const last = await known(told, 'archive', {}, { algorithm: 'oauth2' });
    return { exchanged, seen: await oidc.tokenIntrospection(last, exchanged.access_token) };
  },

  async ciba(told) {
    const metadata = { id_token_signed_response_alg: 'PS256' }; // as registered
    const config = await known(told, 'desk', metadata, { algorithm: 'oauth2' });
    const asked = await oidc.initiateBackchannelAuthentication(config, {
      scope: 'openid',
      login_hint: told.meldcode,
      binding_message: told.binding_message,
      authorization_details: told.details,
    });
    const polling = oidc.pollBackchannelAuthenticationGrant(config, asked);
    await ask({ approve: asked.auth_req_id });
    const tokens = await polling;
    return { asked, claims: tokens.claims(), details: tokens.authorization_details };
  },

  async logout(told) {
    const { config, tokens } = await walk(told, 'leaving');
    const address = oidc.buildEndSessionUrl(config, {
      post_logout_redirect_uri: told.clients.leaving.post_logout_redirect_uri,
      id_token_hint: tokens.id_token,
      state: 'weg',
    });
    const { location } = await ask({ leave: address.href });
    return { location };
  },

  async registration(told) {
    const keys = told.key;
    const config = await oidc.dynamicClientRegistration(
      new URL(told.issuer),
      told.metadata,
      oidc.PrivateKeyJwt(await privateKey(keys)),
      { execute: [oidc.allowInsecureRequests], initialAccessToken: told.initial_access_token },
    );
    return { client: config.clientMetadata() };
  },
};

await run(steps);
