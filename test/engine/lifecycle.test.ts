import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import type { EngineEvent } from '../../src/model/event.ts';
import { eventually } from '../host.ts';
import { containerSpec, EngineRoom, isInside, networkRequest, output, request, runInside } from './room.ts';

if (!isInside) test('containers from create to removal', () => runInside(import.meta.filename));
else {
  describe('containers from create to removal', () => {
    let room: EngineRoom;
    before(async () => {
      room = await EngineRoom.create();
    });
    after(() => room[Symbol.asyncDispose]());
    const remove = (reference: string) =>
      room.containers.remove(reference, { force: true, volumes: true, link: false });
    const never = new AbortController().signal;

    test('run, stop and rm leave nothing', async () => {
      await room.engine.networks.create(networkRequest('app', '10.9.0.0/24'));
      const before = await room.traces();
      const endpoints = [request('app', { aliases: ['www'] }), request('bridge')];
      const portBindings = [{ protocol: 'tcp', containerPort: 80, hostPorts: { first: 8080, last: 8080 } }] as const;
      await room.run('web', ['sleep', '600'], {
        endpoints,
        portBindings,
        networkMode: { kind: 'network', name: 'app' },
      });
      assert.equal((await room.exec('web', 'hostname')).trim(), room.containers.find('web').container.id.slice(0, 12));
      await room.containers.stop('web', { timeout: 0 });
      assert.equal(room.containers.find('web').container.state.exitCode, 137);
      await remove('web');
      assert.deepEqual(await room.traces(), before);
      await room.engine.networks.remove('app', { force: false });
    });

    test('output, exit code and times of one that ends by itself', async () => {
      const waiting = room.containers.create('short', containerSpec(['sh', '-c', 'echo out; echo err >&2; exit 3']));
      const { id } = await waiting;
      const ended = room.containers.wait(id, 'next-exit', never);
      await room.containers.start(id);
      assert.deepEqual(await ended, { code: 3 });
      assert.match(await output(room, id), /out\n/);
      const { state } = room.containers.find(id).container;
      assert.equal(state.status, 'exited');
      assert.ok(state.startedAt <= state.finishedAt);
      assert.deepEqual(await room.containers.wait(id, 'not-running', never), { code: 3 });
      await remove(id);
    });

    test('a stream ends when the exit code is known, not with the output; until then it takes input', async () => {
      const spec = containerSpec(['sh', '-c', 'exec >&- 2>&-; read code; exit $code'], { openStdin: true });
      const { id } = await room.containers.create('quiet', spec);
      const wanted = { stdin: true, stdout: true, stderr: true, stream: true, logs: false };
      const attachment = await room.containers.attach(id, wanted);
      attachment.subscribe(() => undefined);
      await room.containers.start(id);
      await eventually('it has closed its output', async () => {
        const { pid } = room.containers.find(id).container.state;
        return !existsSync(`/proc/${pid}/fd/1`);
      });
      attachment.stdin?.write('3\n');
      await attachment.ended;
      const { status, exitCode } = room.containers.find(id).container.state;
      assert.deepEqual([status, exitCode], ['exited', 3]);
      await remove(id);
    });

    test('a command that is not there: 127, the reason, and still created', async () => {
      const { id } = await room.containers.create('bad', containerSpec(['/nonexistent']));
      let waiting = true;
      const ended = room.containers.wait(id, 'next-exit', never).finally(() => (waiting = false));
      await assert.rejects(room.containers.start(id), {
        kind: 'invalidArgument',
        message: /no such file or directory/,
      });
      assert.ok(waiting, 'a failed start is no exit');
      const { state } = room.containers.find(id).container;
      assert.equal(state.status, 'created');
      assert.equal(state.exitCode, 127);
      assert.match(state.error, /\/nonexistent/);
      await remove(id);
      assert.equal((await ended).code, 127);
    });

    test('--rm: gone after the end, and after a start that failed', async () => {
      const { id } = await room.containers.create(undefined, containerSpec(['true'], { autoRemove: true }));
      const gone = room.containers.wait(id, 'removed', never);
      await room.containers.start(id);
      assert.deepEqual(await gone, { code: 0 });
      assert.throws(() => room.containers.find(id), { message: `No such container: ${id}` });
      const failing = await room.containers.create(undefined, containerSpec(['/nonexistent'], { autoRemove: true }));
      const removed = room.containers.wait(failing.id, 'removed', never);
      await assert.rejects(room.containers.start(failing.id));
      assert.equal((await removed).code, 127);
      assert.deepEqual(room.containers.list(), []);
    });

    test('events in Docker’s order', async () => {
      const abort = new AbortController();
      const events = room.engine.events.subscribe({ signal: abort.signal });
      const id = await room.run('told', ['sleep', '600'], { labels: { a: 'b' }, stopSignal: 'SIGKILL' });
      await room.containers.stop('told', {});
      await remove('told');
      abort.abort();
      const seen: EngineEvent[] = [];
      for await (const event of events) seen.push(event);
      assert.deepEqual(
        seen.map(({ type, action }) => `${type} ${action}`),
        ['container create', 'network connect', 'container start', 'container kill', 'container die'].concat([
          'network disconnect',
          'container stop',
          'container destroy',
        ]),
      );
      assert.deepEqual(seen[0]?.attributes, { a: 'b', image: 'busybox', name: 'told' });
      assert.deepEqual(seen[1]?.attributes, { container: id, name: 'bridge', type: 'bridge' });
      assert.equal(seen[3]?.attributes['signal'], '9');
      assert.equal(seen[4]?.attributes['exitCode'], '137');
    });

    test('Docker’s words for what cannot be', async () => {
      const id = await room.run('busy', ['sleep', '600']);
      await assert.rejects(room.containers.start('busy'), { kind: 'notModified' });
      await assert.rejects(room.containers.remove('busy', { force: false, volumes: false, link: false }), {
        kind: 'conflict',
        message:
          'cannot remove container "busy": container is running: stop the container before removing or force remove',
      });
      await assert.rejects(room.containers.create('busy', containerSpec(['true'])), {
        kind: 'conflict',
        message: `Conflict. The container name "/busy" is already in use by container "${id}". You have to remove (or rename) that container to be able to reuse that name.`,
      });
      await assert.rejects(room.containers.create('b/c', containerSpec(['true'])), {
        kind: 'invalidArgument',
        message: 'Invalid container name (b/c), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed',
      });
      await assert.rejects(room.containers.rename('busy', '/busy'), /same name as its current name/);
      await assert.rejects(room.containers.create('x', containerSpec(['true'], { image: 'nope' })), {
        kind: 'notFound',
        message: 'No such image: nope:latest',
      });
      await remove('busy');
      await assert.rejects(room.containers.kill('busy', ''), {
        kind: 'notFound',
        message: 'cannot kill container: busy: No such container: busy',
      });
    });

    test('pause, unpause, rename, restart', async () => {
      const id = await room.run('one', ['sh', '-c', 'trap "exit 5" TERM; echo ready; while :; do sleep 0.05; done']);
      const ready = (times: number) =>
        eventually(
          `it listens for the ${times}. time`,
          async () => (await output(room, id, false)) === 'ready\n'.repeat(times),
        );
      await ready(1);
      await room.containers.pause('one');
      assert.equal(room.containers.find('one').container.state.status, 'paused');
      await assert.rejects(room.containers.pause('one'), /is already paused/);
      await room.containers.unpause('one');
      await room.containers.rename('one', 'two');
      const { pid } = room.containers.find('two').container.state;
      await room.containers.restart('two', { timeout: 60 });
      await ready(2);
      const again = room.containers.find('two').container.state;
      assert.equal(again.status, 'running');
      assert.notEqual(again.pid, pid);
      await room.containers.stop('two', { timeout: 60 });
      assert.equal(room.containers.find('two').container.state.exitCode, 5);
      await remove('two');
    });

    test('fifty starts side by side', async () => {
      const names = Array.from({ length: 50 }, (_, i) => `many${i}`);
      await Promise.all(names.map((name) => room.run(name, ['sleep', '600'], { stopSignal: 'SIGKILL' })));
      const addresses = room.containers.list().map((view) => view.networks[0]?.endpoint?.addresses[0]);
      assert.equal(new Set(addresses).size, 50);
      await Promise.all(names.map(remove));
      assert.deepEqual(room.containers.list(), []);
    });
  });
}
