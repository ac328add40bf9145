import assert from 'node:assert/strict';
import { once } from 'node:events';
import { statSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { WebSocket } from 'ws';
import { SOCKET, TestDaemon } from '../daemon.ts';
import { eventually } from '../host.ts';

/** What the container below prints. Its log is five times that, once for each client: a daemon that kept it would need 750 MB. Bytes */
const PRINTED = 50_000_000;
/** Room for what is under way and for garbage that is not collected yet. Bytes */
const GROWTH = 200 << 20;

describe('clients that never read', () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await TestDaemon.create(['--log-opt', 'max-size=2m', '--log-opt', 'max-file=2']);
  });
  after(() => daemon[Symbol.asyncDispose]());

  const resident = async () => {
    const status = await daemon.host.out(['cat', `/proc/${await daemon.pid()}/status`]);
    return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) * 1024;
  };
  /** Its output goes into a pipe that stays as it is. */
  const neverReads = (method: string, path: string) =>
    daemon.host.spawn(['curl', '-sN', '-X', method, '--unix-socket', SOCKET, `http://d${path}`]);

  test('a follower of logs holds up neither the container nor the daemon', async () => {
    const before = await resident();
    const command = `until [ -e /go ]; do sleep 0.05; done; yes 'a line that nobody reads' | head -c ${PRINTED}; echo end`;
    await daemon.ok('run', '-d', '--name', 'talker', 'busybox', 'sh', '-c', command);
    const clients = [1, 2, 3].map(() => neverReads('GET', '/containers/talker/logs?follow=1&stdout=1'));
    await daemon.ok('exec', 'talker', 'touch', '/go');
    assert.equal((await daemon.docker(['wait', 'talker'], { timeout: 180_000 })).stdout, '0\n');
    assert.equal(await daemon.ok('logs', '--tail', '1', 'talker'), 'end');
    const growth = (await resident()) - before;
    assert.ok(growth < GROWTH, `${growth >> 20} MiB more`);
    for (const client of clients) client.kill();
    await daemon.ok('rm', 'talker');
  });

  /** Both ways to be attached. @returns what ends the client */
  const ways = {
    'an attached one': async () => {
      const client = neverReads('POST', '/containers/held/attach?stream=1&stdout=1');
      return async () => {
        client.kill();
        await once(client, 'exit');
      };
    },
    'one attached by WebSocket': async () => {
      const path = daemon.host.path(SOCKET);
      const client = new WebSocket(`ws+unix://${path}:/v1.51/containers/held/attach/ws?stream=1&stdout=1`);
      await once(client, 'open');
      client.pause();
      return async () => client.terminate();
    },
  };

  for (const [who, attach] of Object.entries(ways)) {
    test(`${who} holds up its container, which goes on when the client goes`, async () => {
      const before = await resident();
      const command = 'until [ -e /go ]; do sleep 0.05; done; yes no';
      await daemon.ok('run', '-d', '--name', 'held', 'busybox', 'sh', '-c', command);
      const id = await daemon.inspect('held', '{{.Id}}');
      const log = daemon.host.path(await daemon.inspect('held', '{{.LogPath}}'));
      const leave = await attach();
      const attached = ['events', '--since', '0', '--until', '0s', '-f', 'event=attach', '-f', `container=${id}`];
      await eventually('it is attached', async () => (await daemon.ok(...attached)) !== '');
      await daemon.ok('exec', 'held', 'touch', '/go');
      const state = () => `${statSync(log).ino} ${statSync(log).size}`;
      let last = '';
      await eventually('the stream waits', async () => {
        const former = last;
        last = state();
        await daemon.ok('version');
        return last === former && statSync(log).size > 0;
      });
      assert.equal(await daemon.ok('run', '--rm', 'busybox', 'echo', 'others go on'), 'others go on');
      assert.equal(await daemon.inspect('held', '{{.State.Running}}'), 'true');
      const growth = (await resident()) - before;
      assert.ok(growth < GROWTH, `${growth >> 20} MiB more`);
      await leave();
      await eventually('the container goes on', () => state() !== last);
      await daemon.ok('rm', '-f', 'held');
    });
  }
});
