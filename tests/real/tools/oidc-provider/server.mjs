// A real OpenID provider: npm's oidc-provider, with everything that a run chooses in one JSON file.
//
// JavaScript, because a library of Node.js can be run by Node.js only; all that is tested, and all that the tests do, is in Rust.
// Usage: node server.mjs CONFIGURATION.json. SIGHUP reads the file again: other keys, the same sessions and tokens.

import { createPrivateKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { pathToFileURL } from 'node:url';

const file = process.argv[2];
const read = () => JSON.parse(readFileSync(file, 'utf8'));

const { port, tls, library } = read();
const load = (path) => import(pathToFileURL(`${library}/node_modules/oidc-provider/lib/${path}`));
const { default: Provider, errors } = await load('index.js');
const { createMemoryAdapter } = await load('adapters/memory_adapter.js');

// One memory for all providers that follow each other.
const adapter = createMemoryAdapter();

function provider() {
  const { issuer, keys, clients, resources, claims, ttl, rotateRefreshToken } = read();
  return new Provider(issuer, {
    adapter,
    clients,
    clientDefaults: { id_token_signed_response_alg: 'ES256' },
    ttl,
    cookies: { keys: ['only for one run'] },
    jwks: {
      keys: keys.map(({ pem, ...names }) => ({ ...createPrivateKey(pem).export({ format: 'jwk' }), ...names })),
    },
    findAccount: (_ctx, accountId) => ({ accountId, claims: () => ({ sub: accountId }) }),
    // By subject: a person, or a client that speaks for itself.
    extraTokenClaims: (_ctx, token) => claims[token.accountId ?? token.clientId],
    issueRefreshToken: (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    rotateRefreshToken,
    features: {
      clientCredentials: { enabled: true },
      rpInitiatedLogout: { enabled: true },
      revocation: { enabled: true },
      mTLS: {
        enabled: true,
        certificateBoundAccessTokens: true,
        getCertificate: (ctx) => ctx.socket.getPeerX509Certificate?.()?.toString(),
      },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => Object.keys(resources)[0],
        // A code is redeemed, and a token refreshed, for the resource that the code was asked for.
        useGrantedResource: () => true,
        getResourceServerInfo(_ctx, indicator) {
          if (!resources[indicator]) throw new errors.InvalidTarget();
          return { accessTokenFormat: 'jwt', ...resources[indicator] };
        },
      },
    },
  });
}

let handle = provider().callback();
process.on('SIGHUP', () => {
  handle = provider().callback();
  console.log('read again');
});
http.createServer((request, response) => handle(request, response)).listen(port, '127.0.0.1');
// A client's certificate is taken as it comes, as RFC 8705 (section 2.2) allows: what counts is that tokens are bound to it.
https
  .createServer({ ...tls, requestCert: true, rejectUnauthorized: false }, (request, response) => handle(request, response))
  .listen(tls.port, '127.0.0.1');
