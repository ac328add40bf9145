import assert from 'node:assert/strict';
import { once } from 'node:events';
import { linkSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { ApiClient } from '../../src/api/client.ts';
import { EngineError } from '../../src/model/errors.ts';
import { message, readAll, TestApi } from './fixture.ts';
import { containerView } from './samples.ts';

let api: TestApi;
beforeEach(async () => {
  api = await TestApi.open();
});
afterEach(() => api[Symbol.asyncDispose]());

describe('versions and headers', () => {
  test('ping says who answers, with and without a body', async () => {
    const get = await api.ask('GET', '/_ping');
    assert.equal(get.text, 'OK');
    const head = await api.ask('HEAD', '/v1.41/_ping');
    assert.deepEqual([head.status, head.text], [200, '']);
    assert.equal(head.headers['api-version'], '1.51');
    assert.equal(head.headers['ostype'], 'linux');
    assert.equal(head.headers['docker-experimental'], 'false');
    assert.match(String(head.headers['server']), /^Fairway\/0\.1\.0 \(linux\)$/);
  });

  const TEXTS: readonly (readonly [string, string])[] = [
    ['1.99', 'client version 1.99 is too new. Maximum supported API version is 1.51'],
    ['2.0', 'client version 2.0 is too new. Maximum supported API version is 1.51'],
    [
      '1.10',
      'client version 1.10 is too old. Minimum supported API version is 1.24, please upgrade your client to a newer version',
    ],
  ];
  for (const [version, text] of TEXTS) {
    test(`version ${version} is refused`, async () => {
      const answer = await api.ask('GET', `/v${version}/info`);
      assert.equal(answer.status, 400);
      assert.equal(message(answer), text);
    });
  }

  test('every supported version and none at all are served', async () => {
    for (const prefix of ['', '/v1.24', '/v1.41', '/v1.51']) {
      assert.equal((await api.ask('GET', `${prefix}/version`)).status, 200);
    }
  });
});

describe('requests that make no sense', () => {
  test('an unknown path, method or version form is no page', async () => {
    for (const [method, path] of [
      ['GET', '/nosuch'],
      ['POST', '/_ping'],
      ['GET', '/vx/info'],
      ['HEAD', '/containers/json'],
    ] as const) {
      assert.equal((await api.ask(method, path)).status, 404);
    }
    assert.equal(message(await api.ask('GET', '/nosuch')), 'page not found');
  });

  const BODIES: readonly (readonly [string, string, RegExp])[] = [
    ['cut short', '{"Image":', /^invalid JSON: unexpected EOF$/],
    ['no JSON', 'words', /^invalid JSON: invalid character 'w' looking for beginning of value$/],
    ['a word in JSON', '{"Tty":yes}', /^invalid JSON: invalid character 'y' looking for beginning of value$/],
    ['a bare key', '{Tty', /^invalid JSON: invalid character 'T' looking for beginning of object key string$/],
    ['a key alone', '{"Tty"}', /^invalid JSON: invalid character '}' after object key$/],
    ['two in one', '{"Tty":1 2}', /^invalid JSON: invalid character '2' after object key:value pair$/],
    ['a list too wide', '[1 2]', /^invalid JSON: invalid character '2' after array element$/],
    ['more than JSON', '{} {}', /^invalid JSON: unexpected content after JSON$/],
    ['no object', '[1]', /cannot unmarshal array/],
    ['null', 'null', /config cannot be empty in order to create a container/],
    ['a field of another type', '{"Image":"x","Tty":"yes"}', /cannot unmarshal string into field Tty of type bool/],
    ['an unknown option', '{"Image":"x","HostConfig":{"Warp":9}}', /^option HostConfig\.Warp is not supported/],
  ];
  for (const [name, body, words] of BODIES) {
    test(`a body that is ${name} is refused`, async () => {
      const answer = await api.ask('POST', '/containers/create', body);
      assert.equal(answer.status, 400);
      assert.match(message(answer), words);
      assert.deepEqual(api.engine.calls, []);
    });
  }

  test('a body is looked at before what it is about', async () => {
    const answer = await api.ask('POST', '/commit?container=nosuch', '{');
    assert.deepEqual([answer.status, message(answer)], [400, 'invalid JSON: unexpected EOF']);
  });

  test('a body of another type is refused', async () => {
    const answer = await api.ask('POST', '/networks/create', '{}', { 'Content-Type': 'text/plain' });
    assert.equal(message(answer), "unsupported Content-Type header (text/plain): must be 'application/json'");
  });

  test('a body that is too large is refused, with and without a length', async () => {
    const large = JSON.stringify({ Name: 'x'.repeat(5 << 20) });
    assert.equal((await api.ask('POST', '/networks/create', large)).status, 413);
    const chunked = await api.ask('POST', '/networks/create', large, { 'Transfer-Encoding': 'chunked' });
    assert.equal(chunked.status, 413);
    assert.deepEqual(api.engine.calls, []);
  });

  test('a request cut off in the middle does nothing', async () => {
    const socket = await api.dial();
    socket.write(
      'POST /networks/create HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"Name"',
    );
    await api.ask('GET', '/_ping');
    socket.destroy();
    await once(socket, 'close');
    assert.equal((await api.ask('GET', '/_ping')).status, 200);
    assert.deepEqual(api.engine.calls, []);
  });

  test('headers without end and bytes that are no HTTP are refused', async () => {
    const huge = await api.dial();
    huge.write(`GET /_ping HTTP/1.1\r\nHost: x\r\nX: ${'y'.repeat(100_000)}`);
    assert.match((await readAll(huge)).toString(), /^HTTP\/1\.1 431 /);
    const garbage = await api.dial();
    garbage.write('\x16\x03\x01 is this TLS?\r\n\r\n');
    assert.match((await readAll(garbage)).toString(), /^HTTP\/1\.1 400 /);
  });

  test('a bad escape in a path is refused', async () => {
    assert.equal((await api.ask('GET', '/networks/%zz')).status, 400);
  });

  test('what Fairway does not do is refused in words', async () => {
    for (const [method, path, status, words] of [
      ['GET', '/containers/h5web/stats?one-shot=1', 400, /cannot have stream=true and one-shot=true/],
      ['POST', '/containers/h5web/checkpoints', 501, /docker checkpoint is not supported/],
      ['GET', '/services', 503, /^This node is not a swarm manager\./],
      ['GET', '/images/search?term=web', 501, /searching registries is not supported/],
      ['GET', '/volumes/v', 404, /^get v: no such volume$/],
      ['GET', '/containers/h5web/logs', 400, /you must choose at least one stream/],
      ['POST', '/containers/h5web/wait?condition=x', 400, /invalid condition/],
      ['GET', '/containers/json?filters={"x":["y"]}', 400, /^invalid filter 'x'$/],
      ['GET', '/containers/json?filters=nonsense', 400, /^invalid filter$/],
      ['GET', '/networks?filters={"dangling":["perhaps"]}', 400, /^invalid filter 'dangling=\[perhaps\]'$/],
    ] as const) {
      const answer = await api.ask(method, path);
      assert.equal(answer.status, status, path);
      assert.match(message(answer), words);
    }
  });
});

describe('what reaches the engine', () => {
  test('names with slashes, escaped or not', async () => {
    await api.ask('GET', '/v1.50/images/registry.example:5000/team/web:1/json');
    await api.ask('GET', '/images/sha256:abc/history');
    await api.ask('GET', '/networks/a%2Fb%20%2a');
    const asked = api.engine.calls.map((call) => call.args[0]);
    assert.deepEqual(asked, ['registry.example:5000/team/web:1', 'a/b *']);
  });

  test('booleans in all spellings', async () => {
    await api.ask('DELETE', '/containers/x?force=True&v=1&link=false');
    assert.deepEqual(api.engine.calls[0]?.args, ['x', { force: true, volumes: true, link: false }]);
  });

  test('stop with its time and signal', async () => {
    assert.equal((await api.ask('POST', '/containers/x/stop?t=3&signal=INT')).status, 204);
    assert.deepEqual(api.engine.calls[0]?.args, ['x', { timeout: 3, signal: 'INT' }]);
    assert.equal((await api.ask('POST', '/containers/x/stop?t=soon')).status, 400);
  });

  test('an import with its name, its changes and all of its bytes', async () => {
    const tar = 'x'.repeat(6 << 20);
    const path = '/images/create?fromSrc=-&repo=team/base:1&message=m&changes=ENV%20A%3Db&changes=CMD%20sh';
    const answer = await api.ask('POST', path, tar, { 'Content-Type': 'text/plain' });
    assert.match(JSON.parse(answer.text).status, /^sha256:/);
    const wanted = { repository: 'team/base', tag: '1', message: 'm', changes: ['ENV A=b', 'CMD sh'] };
    assert.deepEqual(api.engine.calls[0]?.args, [tar.length, wanted]);
  });

  test('a tag with a registry and a port', async () => {
    await api.ask('POST', '/images/busybox/tag?repo=localhost:5000/b&tag=2');
    assert.deepEqual(api.engine.calls[0]?.args, ['busybox', 'localhost:5000/b', '2']);
  });

  test('errors carry the status of their kind', async () => {
    assert.equal((await api.ask('POST', '/containers/h5web/start')).status, 304);
    const missing = await api.ask('GET', '/containers/nosuch/json');
    assert.deepEqual([missing.status, message(missing)], [404, 'No such container: nosuch']);
  });

  test('only a missing image makes clients pull', async () => {
    for (const [words, status] of [
      ['No such image: busybox:latest', 404],
      ['No such container: web', 400],
    ] as const) {
      api.engine.createError = new EngineError('notFound', words);
      const answer = await api.ask('POST', '/containers/create', { Image: 'busybox' });
      assert.deepEqual([answer.status, message(answer)], [status, words]);
    }
  });

  test('lists by filters of both forms', async () => {
    for (const filters of [
      '{"name":["h5"]}',
      '{"name":{"h5":true,"other":false}}',
      '{"network":["h5net"],"publish":["18080"]}',
    ]) {
      const { text } = await api.ask('GET', `/containers/json?filters=${encodeURIComponent(filters)}`);
      assert.equal(JSON.parse(text)[0]?.Id, containerView.container.id, filters);
    }
    for (const filters of [
      '{"name":["^h5$"]}',
      '{"label":["a=c"]}',
      '{"status":["exited"]}',
      '{"publish":["1-99/udp"]}',
    ]) {
      assert.equal(
        (await api.ask('GET', `/containers/json?filters=${encodeURIComponent(filters)}`)).text,
        '[]\n',
        filters,
      );
    }
  });
});

describe('sockets', () => {
  test('a unix socket is for root and its group', () => {
    assert.equal(statSync(api.socketPath).mode & 0o777, 0o660);
  });

  test('a dead socket is taken over, a living one is not', async () => {
    await assert.rejects(api.server.listen({ socketPath: api.socketPath }), {
      kind: 'conflict',
      message: /another daemon answers there/,
    });
    const former = createServer().listen(join(api.folder, 'former.sock'));
    await once(former, 'listening');
    const dead = join(api.folder, 'dead.sock');
    // The name Node does not know is the one it cannot clean up.
    linkSync(join(api.folder, 'former.sock'), dead);
    former.close();
    await api.server.listen({ socketPath: dead });
  });

  test('TCP without TLS needs the dangerous word', async () => {
    await assert.rejects(api.server.listen({ host: '127.0.0.1', port: 0 }), {
      kind: 'invalidArgument',
      message: /without TLS/,
    });
    await api.server.listen({ host: '127.0.0.1', port: 0, dangerouslyWithoutTls: true });
    const [, tcp] = api.server.addresses;
    assert.ok(typeof tcp === 'object');
    const response = await fetch(`http://127.0.0.1:${tcp.port}/_ping`);
    assert.equal(await response.text(), 'OK');
  });

  test('a thousand clients at once are all answered', async () => {
    const answers = await Promise.all(Array.from({ length: 1000 }, () => api.ask('GET', '/containers/json')));
    assert.ok(answers.every((answer) => answer.status === 200));
  });

  test('the client of fairway gets values, and words when there is no daemon', async () => {
    const client = new ApiClient({ socketPath: api.socketPath });
    assert.equal((await client.plan())[0]?.resource, 'link host docker0');
    await assert.rejects(client.status(), { kind: 'internal', message: 'status is not played here' });
    const nowhere = new ApiClient({ socketPath: join(api.folder, 'none.sock') });
    await assert.rejects(nowhere.status(), {
      kind: 'unavailable',
      message: /^Cannot connect to the Fairway daemon at unix:/,
    });
  });
});
