import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Json, TestDaemon } from '../daemon.ts';
import { eventually } from '../host.ts';

describe('restart policies', () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await TestDaemon.create();
  });
  after(() => daemon[Symbol.asyncDispose]());

  const inspect = (name: string, format: string) => daemon.inspect(name, format);
  /** "2 exited": how often it was started again, and its status; by the API, because it is asked again and again */
  const now = async (name: string) => {
    const { body } = await daemon.json('GET', `/containers/${name}/json`);
    return `${body['RestartCount']} ${(body['State'] as Json)['Status']}`;
  };
  const becomes = (name: string, wanted: RegExp) =>
    eventually(`${name} is ${wanted}`, async () => wanted.test(await now(name)));
  const run = (name: string, policy: string, ...command: string[]) =>
    daemon.ok('run', '-d', '--name', name, '--restart', policy, 'busybox', ...command);

  test('on-failure:2 tries twice more, and tells each start and end', async () => {
    const since = await daemon.now();
    await run('failing', 'on-failure:2', 'sh', '-c', 'echo once; exit 3');
    await becomes('failing', / exited$/);
    assert.equal(
      await daemon.ok(
        'inspect',
        '-f',
        '{{.RestartCount}} {{.State.ExitCode}} {{.State.Restarting}} {{json .HostConfig.RestartPolicy}}',
        'failing',
      ),
      '2 3 false {"Name":"on-failure","MaximumRetryCount":2}',
    );
    assert.equal(await daemon.ok('logs', 'failing'), 'once\nonce\nonce');
    assert.deepEqual(await daemon.told(since, ['type=container']), [
      'create',
      'start',
      'die',
      'start',
      'die',
      'start',
      'die',
    ]);
    await daemon.ok('start', 'failing');
    // A start by hand counts anew.
    await becomes('failing', /^2 exited$/);
    await run('content', 'on-failure', 'true');
    await becomes('content', /^0 exited$/);
    await daemon.ok('rm', 'failing', 'content');
  });

  test('one that waits for its restart: ps, inspect, exec, rm, wait, stop', async () => {
    await run('looping', 'always', 'false');
    // It waits for a while only, and then runs for a moment: each is asked on its own, until it is met waiting.
    const told = (what: string, words: RegExp, ask: () => Promise<string>) =>
      eventually(what, async () => words.test(await ask()));
    const id = await inspect('looping', '{{.Id}}');
    const state = '{{.State.Status}} {{.State.Running}} {{.State.Restarting}} {{.State.Pid}} {{.State.ExitCode}}';
    await told('inspect', /^restarting true true 0 1$/, () => inspect('looping', state));
    const ps = ['ps', '--no-trunc', '--filter', 'status=restarting', '--format', '{{.ID}} {{.Status}}'];
    await told('ps', new RegExp(`^${id} Restarting \\(1\\) (Less than a second|\\d+ seconds?) ago$`), () =>
      daemon.ok(...ps),
    );
    const refusal = async (...args: string[]) => (await daemon.docker(args)).stderr;
    const exec = new RegExp(`Container ${id} is restarting, wait until the container is running`);
    await told('exec', exec, () => refusal('exec', 'looping', 'true'));
    const rm = /container is restarting: stop the container before removing or force remove/;
    await told('rm', rm, () => refusal('rm', 'looping'));
    const [waited] = await Promise.all([daemon.api('POST', '/containers/looping/wait'), daemon.ok('stop', 'looping')]);
    assert.deepEqual([waited.status, JSON.parse(waited.body).StatusCode], [200, 1]);
    assert.equal(
      await inspect('looping', '{{.State.Status}} {{.State.Restarting}} {{.State.ExitCode}}'),
      'exited false 1',
    );
    await daemon.ok('start', 'looping');
    await becomes('looping', / restarting$/);
    await daemon.ok('kill', 'looping');
    assert.match(await now('looping'), / exited$/);
    await daemon.ok('start', 'looping');
    await becomes('looping', / restarting$/);
    await daemon.ok('rm', '-f', 'looping');
    assert.equal(await daemon.ok('ps', '-aq'), '');
  });

  test('wait over restarts: each end is a next-exit, and only the removal is one', async () => {
    await run('cycling', 'always', 'sh', '-c', 'sleep 0.2; exit 6');
    const wait = async (condition: string) => {
      const { body } = await daemon.api('POST', `/containers/cycling/wait?condition=${condition}`);
      return Number(JSON.parse(body).StatusCode);
    };
    const removed = wait('removed');
    assert.equal(await wait('next-exit'), 6);
    assert.equal(await wait('next-exit'), 6);
    assert.equal(await wait('not-running'), 6);
    assert.ok(Number(await inspect('cycling', '{{.RestartCount}}')) >= 2);
    await daemon.ok('rm', '-f', 'cycling');
    assert.ok([6, 137].includes(await removed));
  });

  test('what is stopped or killed by hand stays down; docker restart brings it back', async () => {
    for (const policy of ['always', 'unless-stopped', 'on-failure']) {
      await run('calm', policy, 'sh', '-c', 'trap "exit 4" TERM; while :; do sleep 0.1; done');
      await daemon.ok('stop', '-t', '20', 'calm');
      assert.match(await inspect('calm', '{{.State.Status}} {{.RestartCount}}'), /^exited 0$/);
      await daemon.ok('restart', '-t', '0', 'calm');
      assert.equal(await inspect('calm', '{{.State.Status}} {{.RestartCount}}'), 'running 0');
      await daemon.ok('kill', 'calm');
      assert.equal(await inspect('calm', '{{.State.Status}} {{.State.ExitCode}}'), 'exited 137');
      await daemon.ok('rm', 'calm');
    }
  });

  test('one that dies of something else comes back, with its network and its ports', async () => {
    await daemon.ok('network', 'create', 'app');
    await daemon.ok(
      'run',
      '-d',
      '--name',
      'web',
      '--restart',
      'always',
      '--network',
      'app',
      '-p',
      '8080:80',
      'busybox',
      'httpd',
      '-f',
      '-h',
      '/var/www',
    );
    const pid = await inspect('web', '{{.State.Pid}}');
    await daemon.host.out(['kill', '-9', pid]);
    await eventually('it runs again', async () => !['0', pid].includes(await inspect('web', '{{.State.Pid}}')));
    const page = ['curl', '-s', '-m', '20', 'http://192.0.2.2:8080/'];
    await eventually('its port answers', async () => (await daemon.host.lan(page)).code === 0);
    await daemon.ok(
      'run',
      '--rm',
      '--network',
      'app',
      'busybox',
      'sh',
      '-c',
      'timeout 30 wget -qO- http://web/; exit $?',
    );
    await daemon.ok('rm', '-f', 'web');
    await daemon.ok('network', 'rm', 'app');
  });

  test('signals that ask for something else leave the policy as it is', async () => {
    await run('reloading', 'always', 'sh', '-c', 'trap "exit 5" HUP; echo ready; while :; do sleep 0.1; done');
    await eventually('it listens', async () => (await daemon.ok('logs', 'reloading')) === 'ready');
    await daemon.ok('kill', '-s', 'HUP', 'reloading');
    await becomes('reloading', /^1 running$/);
    await daemon.ok('rm', '-f', 'reloading');
  });

  test('bad policies are refused', async () => {
    const create = (RestartPolicy: object, AutoRemove = false) =>
      daemon.api('POST', '/containers/create', { Image: 'busybox', HostConfig: { RestartPolicy, AutoRemove } });
    const words = [
      [
        { Name: 'sometimes' },
        "invalid restart policy: unknown policy 'sometimes'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'",
      ],
      [
        { Name: 'always', MaximumRetryCount: 1 },
        "invalid restart policy: maximum retry count can only be used with 'on-failure'",
      ],
      [{ Name: 'on-failure', MaximumRetryCount: -1 }, 'invalid restart policy: maximum retry count cannot be negative'],
    ] as const;
    for (const [policy, message] of words) {
      assert.deepEqual(await create(policy), { status: 400, body: `${JSON.stringify({ message })}\n` });
    }
    assert.match(
      (await create({ Name: 'always' }, true)).body,
      /can't create 'AutoRemove' container with restart policy/,
    );
  });
});
