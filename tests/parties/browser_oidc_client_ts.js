// Runs in a page of the app: oidc-client-ts, with a short adapter that pushes the request first (PAR, RFC 9126).
const { OidcClient, IndexedDbDPoPStore } = window.oidc;
let flow;

// The library builds the address of a plain request. Its parameters are pushed, and the reference takes their place.
async function push(client, url) {
  const asked = new URL(url);
  const as = await client.metadataService.getMetadata();
  const answer = await fetch(as.pushed_authorization_request_endpoint, { method: 'POST', body: asked.searchParams });
  const pushed = await answer.json();
  if (!answer.ok) throw new Error(pushed.error_description);
  const [client_id, request_uri] = [asked.searchParams.get('client_id'), pushed.request_uri];
  return `${as.authorization_endpoint}?${new URLSearchParams({ client_id, request_uri })}`;
}

window.begin = async (told) => {
  const client = new OidcClient({
    authority: told.issuer,
    client_id: told.client_id,
    redirect_uri: told.redirect_uri,
    response_type: 'code',
    scope: 'openid',
    loadUserInfo: !told.dpop,
    dpop: told.dpop ? { bind_authorization_code: false, store: new IndexedDbDPoPStore() } : undefined,
  });
  const extraQueryParams = { authorization_details: told.details };
  const request = await client.createSigninRequest({ nonce: crypto.randomUUID(), extraQueryParams });
  flow = { told, client };
  return push(client, request.url);
};

window.finish = async (location) => {
  const { told, client } = flow;
  const answer = await client.processSigninResponse(location, {});
  const api = `${told.issuer}/api/v1/berichten`;
  const headers = { Authorization: `Bearer ${answer.access_token}` };
  const got = told.dpop ? null : await fetch(api, { headers });
  const letters = got && { status: got.status, version: got.headers.get('API-Version'), body: await got.json() };
  await client.revokeToken(answer.access_token, 'access_token');
  const after = await fetch(api, { headers });
  const refused = { status: after.status, challenge: (await after.json()).error };
  return { type: answer.token_type, sub: answer.profile.sub, person: answer.profile.sub, letters, refused };
};
