import assert from 'node:assert/strict';
import { cpSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Conversation } from '../conversation.ts';
import { TestDaemon } from '../daemon.ts';
import { eventually } from '../host.ts';

const CHECKOUT = join(import.meta.dirname, '../..');
const ECHO = 7;
/** In a rule of the changed daemon */
const MARK = '0x00004711';

describe('what is open stays open', () => {
  let daemon: TestDaemon;
  const open = new Map<string, Conversation>();
  before(async () => {
    daemon = await TestDaemon.create();
    await daemon.ok('network', 'create', 'app');
    const run = (name: string, ...flags: string[]) =>
      daemon.ok('run', '-d', '--name', name, '--network', 'app', ...flags, 'busybox', 'sleep', '3600');
    await run('server', '-p', `8007:${ECHO}`);
    await run('client');
    const listening = [`TCP-LISTEN:${ECHO},fork,reuseaddr`, 'PIPE'];
    await daemon.inside('server', ['socat', ...listening]);
    const address = await daemon.inspect('server', '{{.NetworkSettings.Networks.app.IPAddress}}');
    const asks = await daemon.inside('client', ['socat', '-', `TCP:${address}:${ECHO},retry=600,interval=0.1`]);
    open.set('between containers', new Conversation(asks));
    const lan = daemon.host.spawnLan(['socat', '-', `TCP:192.0.2.2:8007,retry=600,interval=0.1`]);
    open.set('from the LAN to a published port', new Conversation(lan));
    const own = daemon.host.spawn(['socat', '-', `TCP:127.0.0.1:8007,retry=600,interval=0.1`]);
    open.set('from the host to a published port', new Conversation(own));
    await allGoOn('before');
  });
  after(() => daemon[Symbol.asyncDispose]());

  async function allGoOn(when: string): Promise<void> {
    for (const [what, conversation] of open) await conversation.goesOn(`${what}, ${when}`);
  }
  const reached = async () => {
    const lan = await daemon.host.lan(['sh', '-c', 'echo new | socat -t30 - TCP:192.0.2.2:8007']);
    assert.equal(lan.stdout, 'new\n', 'a new connection to the published port');
  };

  /** Kills or ends the daemon and starts the next one, whose checkout may be another. */
  async function replaced(signal: 'SIGKILL' | 'SIGTERM', checkout?: string): Promise<void> {
    await daemon.stop(signal);
    await allGoOn('while no daemon is there');
    await reached();
    await daemon.start([], checkout);
    await allGoOn('with the next daemon');
    await reached();
  }

  test('the daemon is killed, and the next one comes', async () => {
    await replaced('SIGKILL');
    await daemon.ok('exec', 'client', 'nslookup', '-type=a', 'server.', '127.0.0.11');
  });

  test('the next daemon is another version, whose firewall has other rules', async () => {
    const rules = () => daemon.host.shell('nft list chain inet fairway opened');
    changedCheckout(daemon.host.path('/run/upgrade'));
    await replaced('SIGTERM', '/run/upgrade');
    assert.equal(await daemon.ok('version', '-f', '{{.Server.Version}}'), '9.9.9-test');
    assert.match(await rules(), new RegExp(MARK));
    await replaced('SIGKILL');
    assert.doesNotMatch(await rules(), new RegExp(MARK));
  });

  test('what containers ask while no daemon is there waits for the next one', async () => {
    const client = await daemon.inspect('client', '{{.State.Pid}}');
    const inside = (...command: string[]) => daemon.host.out(['nsenter', '-t', client, '-n', ...command]);
    const sockets = () => inside('ss', '-Haun', 'src', '127.0.0.11');
    const ports = async () =>
      [...(await inside('ss', '-Hln', 'src', '127.0.0.11')).matchAll(/127\.0\.0\.11:\d+/g)].join();
    for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
      const before = await ports();
      assert.match(before, /127\.0\.0\.11:\d+,127\.0\.0\.11:\d+/);
      await daemon.stop(signal);
      assert.equal(await ports(), before, 'the sockets are still there');
      const asked = ['+tries=1', '+time=60', '+short', '@127.0.0.11'];
      const answers = [[], ['+tcp']].map((how) => inside('dig', ...asked, ...how, 'server'));
      await eventually('a question waits', async () => /^UNCONN\s+[1-9]/m.test(await sockets()));
      await daemon.start();
      const [udp, tcp] = await Promise.all(answers);
      assert.match(udp ?? '', /^[\d.]+$/);
      assert.equal(tcp, udp);
      assert.equal(await ports(), before, 'the next daemon goes on with them');
    }
  });

  for (const signal of ['KILL', 'TERM'] as const) {
    test(`SIG${signal} of containerd`, async () => {
      const file = '/run/fairway/containerd/containerd.pid';
      const pid = await daemon.host.out(['cat', file]);
      await daemon.ok(
        'run',
        '-d',
        '--name',
        'ending',
        'busybox',
        'sh',
        '-c',
        'until [ -e /end ]; do sleep 0.1; done; exit 5',
      );
      const inside = await daemon.inspect('ending', '{{.State.Pid}}');
      await daemon.host.out(['kill', `-${signal}`, pid]);
      await daemon.host.shell(`touch /proc/${inside}/root/end`);
      await allGoOn('while containerd is down');
      await reached();
      await eventually('another containerd is there', async () => {
        const now = (await daemon.host.exec(['cat', file])).stdout.trim();
        return now !== '' && now !== pid;
      });
      await eventually('commands run again', async () => (await daemon.docker(['exec', 'client', 'true'])).code === 0);
      assert.equal(await daemon.ok('wait', 'ending'), '5');
      await daemon.ok('rm', 'ending');
      await daemon.ok('run', '--rm', '--network', 'app', 'busybox', 'nslookup', '-type=a', 'server.', '127.0.0.11');
      await allGoOn('with another containerd');
    });
  }

  test('who held the sockets of resolvers goes with the last of them', async () => {
    const file = '/run/fairway/socket-holder.pid';
    const holder = await daemon.host.out(['cat', file]);
    await daemon.host.out(['kill', '-0', holder]);
    await daemon.ok('rm', '-f', 'client', 'server');
    open.clear();
    await daemon.stop('SIGTERM');
    await eventually('it is gone', async () => (await daemon.host.exec(['kill', '-0', holder])).code !== 0);
    assert.equal((await daemon.host.exec(['test', '-e', file])).code, 1);
  });
});

/** This checkout with another version, and one more rule in its firewall. */
function changedCheckout(to: string): void {
  for (const part of ['bin', 'src', 'package.json']) cpSync(join(CHECKOUT, part), join(to, part), { recursive: true });
  symlinkSync(join(CHECKOUT, 'node_modules'), join(to, 'node_modules'));
  change(join(to, 'package.json'), /"version": "[^"]*"/, '"version": "9.9.9-test"');
  const last = 'counter name unpublished drop';
  change(join(to, 'src/reconcile/firewall/ruleset.ts'), last, `meta mark ${MARK} accept\n    ${last}`);
}

function change(file: string, from: RegExp | string, to: string): void {
  const text = readFileSync(file, 'utf8');
  const changed = text.replace(from, to);
  assert.notEqual(changed, text, `${file} does not contain ${from}`);
  writeFileSync(file, changed);
}
