import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Conversation } from '../conversation.ts';
import { TestDaemon } from '../daemon.ts';
import { eventually } from '../host.ts';
import { ask } from '../random-clients.ts';
import { at, pinging, processorTime, resident } from './figures.ts';

const CROWD = Number(process.env['FAIRWAY_SOAK_CONTAINERS'] ?? 100);
const LINK_CHANGES = 10_000;
/** How many are started or removed at the same time */
const ABREAST = 8;

describe(`${CROWD} containers`, { timeout: 30 * 60_000 }, () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await TestDaemon.create();
    await daemon.ok('network', 'create', '--subnet', '10.88.0.0/16', 'crowd');
    await daemon.ok('run', '--rm', '--network', 'crowd', 'busybox', 'true');
  });
  after(() => daemon[Symbol.asyncDispose]());

  const names = Array.from({ length: CROWD }, (_, index) => `box${index}`);
  const forAll = async (work: (name: string) => Promise<unknown>) => {
    const left = names.values();
    const worker = async () => {
      for (const name of left) await work(name);
    };
    await Promise.all(Array.from({ length: ABREAST }, worker));
  };

  test('are started', async (t) => {
    await sleep(5_000);
    const idle = await resident(daemon);
    const start = performance.now();
    await forAll(async (name) => {
      const HostConfig = {
        NetworkMode: 'crowd',
        PortBindings: name === 'box0' ? { '7/tcp': [{ HostPort: '8007' }] } : {},
      };
      const spec = { Image: 'busybox', Cmd: ['sleep', '86400'], StopSignal: 'KILL', HostConfig };
      assert.equal((await ask(daemon, 'POST', `/containers/create?name=${name}`, spec)).status, 201);
      assert.equal((await ask(daemon, 'POST', `/containers/${name}/start`)).status, 204);
    });
    t.diagnostic(`created and started in ${((performance.now() - start) / 1000).toFixed(1)} s`);
    await sleep(15_000);
    const now = await resident(daemon);
    t.diagnostic(`the daemon: ${idle} MiB without, ${now} MiB with them: + ${now - idle} MiB (bar 30)`);
  });

  for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
    test(`go on over a ${signal} of the daemon`, async (t) => {
      for (const line of await replaced(daemon, signal)) t.diagnostic(line);
    });
  }

  test(`${LINK_CHANGES} changes of links do not keep the API from answering`, async (t) =>
    t.diagnostic(await storm(daemon)));

  test('are removed', async (t) => {
    const start = performance.now();
    await forAll(async (name) =>
      assert.equal((await ask(daemon, 'DELETE', `/containers/${name}?force=1`)).status, 204),
    );
    t.diagnostic(`removed in ${((performance.now() - start) / 1000).toFixed(1)} s`);
    await eventually('no sandbox is left', async () => (await daemon.host.shell('ls /run/fairway/netns')) === '');
    await sleep(15_000);
    t.diagnostic(`the daemon afterwards: ${await resident(daemon)} MiB`);
  });
});

/** Ends the daemon and starts the next one. @returns what was seen meanwhile */
async function replaced(daemon: TestDaemon, signal: 'SIGKILL' | 'SIGTERM'): Promise<string[]> {
  const server = await daemon.inside('box0', ['socat', 'TCP-LISTEN:7,fork,reuseaddr', 'PIPE']);
  const address = await daemon.ok('inspect', '-f', '{{.NetworkSettings.Networks.crowd.IPAddress}}', 'box0');
  const open = [
    await daemon.inside('box1', ['socat', '-', `TCP:${address}:7,retry=50,interval=0.1`]),
    daemon.host.spawnLan(['socat', '-', 'TCP:192.0.2.2:8007,retry=50,interval=0.1']),
  ].map((process) => new Conversation(process));
  for (const each of open) await each.goesOn('before');
  const pid = await daemon.ok('inspect', '-f', '{{.State.Pid}}', 'box1');
  const knocking = daemon.host.spawnLan([
    'sh',
    '-c',
    'while :; do nc -z -w 1 192.0.2.2 8007 && echo open || echo shut; sleep 0.02; done',
  ]);
  let knocks = '';
  knocking.stdout?.on('data', (chunk: Buffer) => (knocks += chunk.toString()));
  await eventually('somebody knocks', () => knocks.includes('open'));
  await daemon.stop(signal);
  const down = performance.now();
  const asked = ['nsenter', '-t', pid, '-n', 'dig', '+tries=1', '+time=120', '+short', '@127.0.0.11', 'box0'];
  const answer = daemon.host.out(asked).then((text) => ({ text, after: performance.now() - down }));
  await daemon.start();
  const up = performance.now();
  const used = await processorTime(daemon);
  const { text, after } = await answer;
  assert.equal(text, address);
  for (const each of open) await each.goesOn('afterwards');
  knocking.kill();
  server.kill();
  const shut = knocks.match(/shut/g)?.length ?? 0;
  assert.equal(shut, 0, 'the published port was always open');
  return [
    `the API answered ${(up - down).toFixed(0)} ms after the end (bar 1,500), for which the next daemon used ${used} ms of processor; a question asked right after it within ${after.toFixed(0)} ms (bar 1,500)`,
    `${knocks.match(/open/g)?.length} connections to the published port meanwhile, ${shut} refused; ${open.length} open ones, 0 lost`,
  ];
}

/** Changes of a link of ours and of a stranger's, as fast as the kernel takes them. @returns what was seen */
async function storm(daemon: TestDaemon): Promise<string> {
  const ours = await daemon.host.shell("ip -o link | sed -n 's/.*: \\(veth[0-9a-f]*\\)@.*/\\1/p' | head -1");
  const lines = Array.from({ length: LINK_CHANGES }, (_, index) =>
    index % 2 === 0
      ? `link set dev ${ours} txqueuelen ${1000 + (index % 7)}`
      : `link set dev stranger mtu ${1400 + (index % 7)}`,
  );
  writeFileSync(daemon.host.path('/run/storm'), `${lines.join('\n')}\n`);
  await daemon.host.shell('ip link add stranger type veth peer name danger; ip link set stranger up');
  const ended = new AbortController();
  const pings = pinging(daemon, ended.signal);
  const start = performance.now();
  await daemon.host.out(['ip', '-batch', '/run/storm'], { timeout: 600_000 });
  const took = performance.now() - start;
  ended.abort();
  const delays = await pings;
  assert.ok(delays.length > 0);
  await daemon.ok('exec', 'box0', 'true');
  return `${(took / 1000).toFixed(1)} s; /_ping: median ${at(delays, 0.5)} ms, p99 ${at(delays, 0.99)} ms of ${delays.length} (bar 50)`;
}
