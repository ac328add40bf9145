import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { parseIpAddress } from '../../src/model/address.ts';
import type { ContainerSpec } from '../../src/model/container.ts';
import { eventually } from '../host.ts';
import { bindMount } from '../plain-spec.ts';
import { containerSpec, EngineRoom, isInside, networkRequest, request, runInside, sh } from './room.ts';

/** Starts that fail, each at another step, by what a user can do. */
const FAILING: readonly { readonly name: string; readonly spec: Partial<ContainerSpec>; readonly message: RegExp }[] = [
  {
    name: 'a network that is not there',
    spec: { endpoints: [request('app'), request('nowhere')] },
    message: /^failed to set up container networking: network nowhere not found$/,
  },
  {
    name: 'an address the host does not have, when links and addresses are made already',
    spec: {
      endpoints: [request('app')],
      portBindings: [
        {
          protocol: 'tcp',
          containerPort: 80,
          hostAddress: parseIpAddress('203.0.113.1'),
          hostPorts: { first: 80, last: 80 },
        },
      ],
    },
    message: /failed to bind host port for 203\.0\.113\.1:80:10\.9\.0\.2:80\/tcp: cannot assign requested address$/,
  },
  {
    name: 'a host-gateway that nobody has, when files are written',
    spec: { endpoints: [request('app')], extraHosts: ['x:nonsense'] },
    message: /invalid IP address in add-host: "nonsense"/,
  },
  { name: 'a user nobody knows', spec: { user: 'nobodyatall' }, message: /^unable to find user nobodyatall/ },
  { name: 'a command that is not there', spec: { command: ['/nosuch'] }, message: /no such file or directory/ },
  { name: 'a command that may not be run', spec: { command: ['/etc/passwd'] }, message: /permission denied/ },
  {
    name: 'a mount source that cannot be made',
    spec: {
      mounts: [bindMount({ source: '/proc/nosuch/x', destination: '/x' })],
    },
    message: /^error while creating mount source path '\/proc\/nosuch\/x'/,
  },
];

if (!isInside) test('what fails leaves nothing', () => runInside(import.meta.filename));
else {
  describe('what fails leaves nothing', () => {
    let room: EngineRoom;
    let clean: Readonly<Record<string, unknown>>;
    before(async () => {
      room = await EngineRoom.create();
      await room.engine.networks.create(networkRequest('app', '10.9.0.0/24'));
      clean = await room.traces();
    });
    after(() => room[Symbol.asyncDispose]());

    test('a working directory below a file: there is no container', async () => {
      const spec = containerSpec(['sleep', '600'], { workingDirectory: '/etc/passwd/x' });
      await assert.rejects(room.containers.create('failing', spec), {
        message: 'Cannot mkdir: /etc/passwd/x is not a directory',
      });
      assert.deepEqual(await room.traces(), clean);
    });

    for (const { name, spec, message } of FAILING) {
      test(name, async () => {
        const { id } = await room.containers.create('failing', containerSpec(['sleep', '600'], spec));
        await assert.rejects(room.containers.start(id), { message });
        const view = room.containers.find(id);
        assert.ok([126, 127, 128].includes(view.container.state.exitCode));
        assert.equal(view.container.state.status, 'created');
        assert.match(view.container.state.error, message);
        assert.equal(view.sandboxKey, '');
        assert.deepEqual(view.ports, []);
        await room.containers.remove(id, { force: false, volumes: false, link: false });
        assert.deepEqual(await room.traces(), clean);
      });
    }

    test('a connect that fails leaves the container as it was', async () => {
      const id = await room.run('steady', ['sleep', '600'], { stopSignal: 'SIGKILL' });
      await room.engine.networks.create(networkRequest('narrow', '10.9.7.0/30'));
      await room.run('filler', ['sleep', '600'], { endpoints: [request('narrow')], stopSignal: 'SIGKILL' });
      const before = await room.exec(id, 'ip', 'addr');
      await assert.rejects(room.engine.networks.connect('narrow', id, request('narrow')), { kind: 'unavailable' });
      assert.equal(room.containers.find(id).networks.length, 1);
      assert.equal(await room.exec(id, 'ip', 'addr'), before);
      for (const name of ['steady', 'filler'])
        await room.containers.remove(name, { force: true, volumes: true, link: false });
      await room.engine.networks.remove('narrow', { force: false });
      assert.deepEqual(await room.traces(), clean);
    });

    test('a network that cannot be made leaves nothing', async () => {
      const options = { 'com.docker.network.bridge.name': 'lo' };
      const broken = { ...networkRequest('broken'), driverOptions: options };
      await assert.rejects(room.engine.networks.create(broken), /lo/);
      assert.ok(!room.engine.networks.list().some(({ network }) => network.name === 'broken'));
      assert.deepEqual(await room.traces(), clean);
    });

    test('a runtime that does not answer: the start fails, and nothing is left', async () => {
      const { id } = await room.containers.create('unlucky', containerSpec(['sleep', '600']));
      // What takes its place ends at once, until the start has failed.
      await sh('mount --bind /bin/false $(readlink -f $(command -v containerd))');
      process.kill(Number(await sh('cat /run/fairway/containerd/containerd.pid')), 'SIGKILL');
      await assert.rejects(room.containers.start(id));
      assert.equal(room.containers.find(id).container.state.status, 'created');
      assert.deepEqual(room.containers.find(id).sandboxKey, '');
      await sh('umount $(readlink -f $(command -v containerd))');
      const answers = () =>
        room.engine.system.version().then(
          () => true,
          () => false,
        );
      await eventually('containerd answers again', answers, 60_000);
      await room.containers.remove(id, { force: true, volumes: true, link: false });
      assert.deepEqual(await room.traces(), clean);
    });
  });
}
