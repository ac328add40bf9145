import { sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';

/**
 * A program: a token server for docker-registry, as its specification describes. "user" with "secret", or with the refresh
 * token a login gave, may do everything; nobody may pull what begins with "public/".
 *
 *     node token-server.ts PORT FOLDER     FOLDER holds key.pem and cert.pem
 *
 * GET /_refreshed tells how many tokens were had for the refresh token.
 */
const REFRESH = 'the-refresh-token';
const [port, folder = ''] = process.argv.slice(2);
const key = readFileSync(`${folder}/key.pem`);
const certificate = readFileSync(`${folder}/cert.pem`, 'utf8').replace(/-----.*-----|\s/g, '');
let refreshed = 0;

createServer(async (request, response) => {
  const url = new URL(request.url ?? '', 'http://token.test');
  if (url.pathname === '/_refreshed') return response.end(String(refreshed));
  const form = new URLSearchParams(request.method === 'POST' ? await text(request) : url.search);
  const basic = request.headers.authorization;
  const known = basic === `Basic ${Buffer.from('user:secret').toString('base64')}`;
  const byToken = request.method === 'POST' && form.get('refresh_token') === REFRESH;
  if (byToken) refreshed++;
  if ((basic !== undefined && !known) || (request.method === 'POST' && !byToken)) {
    return response.writeHead(401).end(JSON.stringify({ details: 'incorrect username or password' }));
  }
  const scopes = form.getAll('scope').flatMap((scope) => scope.split(' '));
  const token = issue(known || byToken, form.get('service') ?? '', scopes);
  const refresh = form.get('offline_token') === 'true' ? { refresh_token: REFRESH } : {};
  return response.end(JSON.stringify({ [byToken ? 'access_token' : 'token']: token, expires_in: 300, ...refresh }));
}).listen(Number(port), '127.0.0.1');

function issue(trusted: boolean, audience: string, scopes: readonly string[]): string {
  const access = scopes.map((scope) => {
    const [, name = '', actions = ''] = /^repository:(.*):([a-z,]+)$/.exec(scope) ?? [];
    const allowed = trusted ? actions.split(',') : name.startsWith('public/') ? ['pull'] : [];
    return { type: 'repository', name, actions: allowed };
  });
  const now = Math.floor(Date.now() / 1000);
  const times = { nbf: now - 10, iat: now - 10, exp: now + 300 };
  const claims = { iss: 'test-issuer', sub: trusted ? 'user' : '', aud: audience, ...times, jti: '1', access };
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = `${part({ typ: 'JWT', alg: 'RS256', x5c: [certificate] })}.${part(claims)}`;
  return `${signed}.${sign('sha256', Buffer.from(signed), key).toString('base64url')}`;
}
