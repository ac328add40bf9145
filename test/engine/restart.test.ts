import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import type { EngineEvent } from '../../src/model/event.ts';
import { eventually } from '../host.ts';
import { bindMount } from '../plain-spec.ts';
import { containerSpec, EngineRoom, isInside, networkRequest, output, request, runInside, sh } from './room.ts';

if (!isInside) test('an engine takes up what another left', () => runInside(import.meta.filename));
else {
  describe('an engine takes up what another left', () => {
    let room: EngineRoom;
    before(async () => {
      room = await EngineRoom.create();
      await room.engine.networks.create(networkRequest('app', '10.9.0.0/24'));
    });
    after(() => room[Symbol.asyncDispose]());
    const spec = { endpoints: [request('app')], stopSignal: 'SIGKILL' } as const;
    const removeAll = async () => {
      for (const { container } of room.containers.list()) {
        await room.containers.remove(container.id, { force: true, volumes: true, link: false });
      }
    };

    test('containers go on with their network, output, names and ports', async () => {
      const portBindings = [{ protocol: 'tcp', containerPort: 80, hostPorts: { first: 8080, last: 8080 } }] as const;
      const web = await room.run('web', ['httpd', '-f', '-h', '/var/www'], { ...spec, portBindings });
      const loop =
        'i=0; while [ $i -lt 100 ]; do i=$((i+1)); echo line $i; sleep 0.01; done; until [ -e /asked ]; do sleep 0.02; done; exit 9';
      const talker = await room.run('talker', ['sh', '-c', loop], spec);
      const before = room.containers.find(web);
      const ids = room.engine.networks.list().map(({ network }) => network.id);
      await room.restart(() =>
        eventually('the server answers without an engine', async () =>
          /It works/.test(await sh('curl -s http://127.0.0.1:8080/ || true')),
        ),
      );
      const after = room.containers.find(web);
      assert.deepEqual(after.networks, before.networks);
      assert.equal(after.container.state.pid, before.container.state.pid);
      assert.equal(after.sandboxKey, before.sandboxKey);
      assert.deepEqual(
        room.engine.networks.list().map(({ network }) => network.id),
        ids,
      );
      assert.deepEqual(room.engine.system.plan(), []);
      assert.match(await room.exec('talker', 'wget', '-qO-', 'http://web/'), /It works/);
      await room.exec('talker', 'touch', '/asked');
      const never = new AbortController().signal;
      assert.deepEqual(await room.containers.wait(talker, 'not-running', never), { code: 9 });
      assert.equal((await output(room, talker)).trimEnd().split('\n').length, 100);
      await assert.rejects(room.run('late', ['true'], { ...spec, portBindings }), /port is already allocated/);
      await removeAll();
    });

    test('ends that nobody saw are told, --rm is kept, one that never started waits on', async () => {
      const untilTold = (code: number) => ['sh', '-c', `until [ -e /told/end ]; do sleep 0.02; done; exit ${code}`];
      const told = bindMount({ source: '/run/told', destination: '/told' });
      const ids = [
        await room.run('ending', untilTold(5), { ...spec, mounts: [told] }),
        await room.run('vanishing', untilTold(0), { ...spec, mounts: [told], autoRemove: true }),
      ];
      const pids = ids.map((id) => room.containers.find(id).container.state.pid);
      await room.containers.create('waiting', containerSpec(['true'], { ...spec, autoRemove: true }));
      await room.restart(async () => {
        await sh('touch /run/told/end');
        await eventually('both have ended', () => pids.every((pid) => !existsSync(`/proc/${pid}`)));
      });
      await eventually('the one with --rm is gone', () => room.containers.list().length === 2);
      const { state } = room.containers.find('ending').container;
      assert.deepEqual([state.status, state.exitCode, state.pid], ['exited', 5, 0]);
      assert.equal(room.containers.find('waiting').container.state.status, 'created');
      const { signal } = new AbortController();
      const events: EngineEvent[] = [];
      // Of one millisecond there may be several, each a nanosecond later.
      const until = BigInt(Date.now() + 1) * 1_000_000n;
      for await (const event of room.engine.events.subscribe({ since: 0n, until, signal })) events.push(event);
      const died = events.filter(({ action }) => action === 'die').map(({ attributes }) => attributes['exitCode']);
      assert.deepEqual(died.sort(), ['0', '5']);
      await removeAll();
    });

    test('tasks, snapshots, folders and links nobody remembers are taken away', async () => {
      const clean = await room.traces();
      const id = await room.run('forgotten', ['sleep', '300'], spec);
      await room.restart(async () => {
        await sh(`cat > /run/forget.mjs <<'END'
          import { DatabaseSync } from 'node:sqlite';
          const store = new DatabaseSync('/run/data/fairway.db');
          for (const table of ['containers', 'endpoints', 'sandboxes']) store.exec('DELETE FROM ' + table);
          store.close();
END
          ${process.execPath} /run/forget.mjs`);
      });
      assert.throws(() => room.containers.find(id), { kind: 'notFound' });
      assert.deepEqual(await room.traces(), clean);
    });
  });
}
