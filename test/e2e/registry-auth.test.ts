import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { TestDaemon } from '../daemon.ts';
import { eventually } from '../host.ts';
import { type BuiltImage, image, layer } from '../oci.ts';
import { TestRegistry } from '../registry.ts';

/** htpasswd(1) with bcrypt: user, secret */
const HTPASSWD = 'user:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a';
const MIRROR = 'http://192.0.2.1:5010';

describe('registries that ask who one is, or are not to be trusted', () => {
  let daemon: TestDaemon;
  let built: BuiltImage;

  before(async () => {
    daemon = await TestDaemon.create(['--registry-mirror', MIRROR]);
    built = image([await layer({ 'hello.txt': 'hello\n' })]);
  });
  after(() => daemon[Symbol.asyncDispose]());

  const refused = async (...args: string[]) => {
    const finished = await daemon.docker(args);
    assert.notEqual(finished.code, 0, `docker ${args.join(' ')} should fail`);
    return finished.stderr;
  };
  const logIn = (server: string, password: string) =>
    daemon.docker(['login', '-u', 'user', '--password-stdin', server], { input: password });

  test('basic authentication: login, pull, push, logout', async () => {
    await daemon.host.out(['sh', '-c', 'cat > /run/htpasswd'], { input: `${HTPASSWD}\n` });
    const auth = '  htpasswd: {realm: test, path: /run/htpasswd}';
    const registry = await TestRegistry.start(daemon.host, { port: 5000, auth, user: 'user:secret' });
    await registry.putImage('team/web', '1', built);
    const name = `${registry.address}/team/web:1`;
    assert.match(await refused('pull', name), /Get ".*": no basic auth credentials/);
    const wrong = await logIn(registry.address, 'wrong');
    assert.equal(wrong.code, 1);
    assert.match(wrong.stderr, /login attempt to http:\/\/127.0.0.1:5000\/v2\/ failed with status: 401 Unauthorized/);
    assert.match((await logIn(registry.address, 'secret')).stdout, /Login Succeeded/);
    await daemon.ok('pull', name);
    await daemon.ok('tag', name, `${registry.address}/team/copy:1`);
    assert.match(await daemon.ok('push', `${registry.address}/team/copy:1`), /: Mounted from team\/web\n/);
    await daemon.ok('logout', registry.address);
    assert.match(await refused('push', `${registry.address}/team/copy:1`), /no basic auth credentials/);
    const api = await daemon.api('POST', '/auth', {
      username: 'user',
      password: 'secret',
      serveraddress: registry.address,
    });
    assert.deepEqual([api.status, JSON.parse(api.body)], [200, { IdentityToken: '', Status: 'Login Succeeded' }]);
    const bad = await daemon.api('POST', '/auth', {
      username: 'user',
      password: 'no',
      serveraddress: registry.address,
    });
    assert.equal(bad.status, 401);
  });

  test('tokens: the password is said once, then the refresh token', async () => {
    await daemon.host.shell(`mkdir /run/token && openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=token \
      -keyout /run/token/key.pem -out /run/token/cert.pem 2>/dev/null`);
    const script = join(import.meta.dirname, '../token-server.ts');
    const server = daemon.host.spawn([
      process.execPath,
      '--disable-warning=ExperimentalWarning',
      script,
      '5009',
      '/run/token',
    ]);
    server.stderr?.pipe(process.stderr);
    const refreshed = () => daemon.host.exec(['curl', '-sf', 'http://127.0.0.1:5009/_refreshed']);
    await eventually('the token server answers', async () => (await refreshed()).code === 0);
    const auth =
      '  token: {realm: "http://127.0.0.1:5009/token", service: test, issuer: test-issuer, rootcertbundle: /run/token/cert.pem}';
    const registry = await TestRegistry.start(daemon.host, { port: 5002, auth });
    const at = (name: string) => `${registry.address}/${name}`;
    await daemon.ok('tag', 'busybox', at('private/tool:1'));
    assert.match(await refused('push', at('private/tool:1')), /denied: requested access to the resource is denied/);
    const wrong = await logIn(registry.address, 'wrong');
    assert.match(wrong.stderr, /unauthorized: incorrect username or password/);
    assert.match((await logIn(registry.address, 'secret')).stdout, /Login Succeeded/);
    const config = await daemon.host.out(['cat', '/run/docker-config/config.json']);
    assert.match(config, /"identitytoken": "the-refresh-token"/);
    await daemon.ok('push', at('private/tool:1'));
    await daemon.ok('tag', 'busybox', at('public/tool:1'));
    assert.match(await daemon.ok('push', at('public/tool:1')), /: Mounted from private\/tool\n/);
    assert.ok(Number((await refreshed()).stdout) >= 2);
    await daemon.ok('pull', at('private/tool:1'));
    await daemon.ok('logout', registry.address);
    await daemon.ok('pull', at('public/tool:1'));
    assert.match(
      await refused('pull', at('private/tool:1')),
      /pull access denied for 127.0.0.1:5002\/private\/tool, repository does not exist or may require 'docker login': denied/,
    );
    const status = await daemon.api('POST', `/images/create?fromImage=${at('private/tool')}&tag=1`);
    assert.equal(status.status, 404);
  });

  test('certificates: an unknown authority is refused, one in certs.d is trusted', async () => {
    const { host } = daemon;
    // What the administrator lays down below /etc must not reach the real one.
    await host.shell(`mkdir /run/etc /run/etc-work
      mount -t overlay overlay -o lowerdir=/etc,upperdir=/run/etc,workdir=/run/etc-work /etc
      mount --bind /run/resolv.conf /etc/resolv.conf`);
    await host.lanShell(`mountpoint -q /srv || mount -t tmpfs tmpfs /srv; mkdir /srv/tls; cd /srv/tls
      openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority -keyout ca.key -out ca.crt 2>/dev/null
      openssl req -newkey rsa:2048 -nodes -subj /CN=registry -keyout server.key -out server.csr 2>/dev/null
      printf 'subjectAltName=IP:192.0.2.1' > san
      openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile san -out server.crt 2>/dev/null`);
    const tls = { certificate: '/srv/tls/server.crt', key: '/srv/tls/server.key' };
    const registry = await TestRegistry.start(host, { port: 5003, lan: true, tls });
    await registry.putImage('secure', '1', built);
    const name = `${registry.address}/secure:1`;
    const unknown = await refused('pull', name);
    assert.match(
      unknown,
      /Get "https:\/\/192.0.2.1:5003\/v2\/": tls: failed to verify certificate: x509: certificate signed by/,
    );
    const folder = `/etc/docker/certs.d/${registry.address}`;
    const authority = await host.lan(['cat', '/srv/tls/ca.crt']);
    await host.out(['sh', '-c', `mkdir -p ${folder}; cat > ${folder}/ca.crt`], { input: authority.stdout });
    await daemon.ok('pull', name);
    await host.shell(`cp ${folder}/ca.crt ${folder}/client.cert`);
    assert.match(await refused('pull', name), /missing key client.key for client certificate client.cert/);
    await host.out(['rm', '-r', folder]);
  });

  test('Docker Hub by way of a mirror', async () => {
    const registry = await TestRegistry.start(daemon.host, { port: 5010, lan: true });
    await registry.putImage('library/hello', 'latest', built);
    await registry.putImage('team/tool', '2', built);
    const output = await daemon.ok('pull', 'hello');
    assert.match(output, /^Using default tag: latest\nlatest: Pulling from library\/hello\n/);
    assert.match(output, /Status: Downloaded newer image for hello:latest\ndocker.io\/library\/hello:latest$/);
    await daemon.ok('pull', 'docker.io/team/tool:2');
    assert.match(await daemon.ok('image', 'inspect', '-f', '{{.RepoTags}}', 'team/tool:2'), /hello:latest/);
    const info = JSON.parse(await daemon.ok('info', '-f', '{{json .RegistryConfig}}')) as { Mirrors: string[] };
    assert.deepEqual(info.Mirrors, [`${MIRROR}/`]);
  });

  test('a registry without encryption is refused, unless it is called insecure', async () => {
    const name = '192.0.2.1:5010/team/tool:2';
    assert.match(await refused('pull', name), /http: server gave HTTP response to HTTPS client/);
    await daemon.stop('SIGTERM');
    await daemon.start(['--insecure-registry', '192.0.2.0/24']);
    await daemon.ok('pull', name);
    await daemon.ok('pull', '192.0.2.1:5003/secure:1');
  });
});
