import assert from 'node:assert/strict';
import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { buffer, text } from 'node:stream/consumers';
import { describe, test } from 'node:test';
import { eventually } from '../host.ts';
import { isInside, runInside } from './inside.ts';

if (!isInside) {
  test('dockerode drives Fairway', () => runInside(import.meta.filename));
} else {
  const { default: Docker } = await import('dockerode');
  const docker = new Docker();

  describe('dockerode', () => {
    test('run gives output and exit code', async () => {
      const output = new PassThrough();
      const said = text(output);
      const [result] = await docker.run('busybox', ['sh', '-c', 'echo out; exit 3'], output, {
        Tty: true,
        HostConfig: { AutoRemove: true },
      });
      assert.equal(result.StatusCode, 3);
      // The attached stream ends it, which may be after the wait's answer.
      assert.equal(await said, 'out\r\n');
    });

    test('a server with a published port, found by its label, looked into, and removed', async () => {
      const network = await docker.createNetwork({ Name: 'app', IPAM: { Config: [{ Subnet: '10.80.0.0/24' }] } });
      const container = await docker.createContainer({
        Image: 'busybox',
        name: 'web',
        Cmd: ['httpd', '-f', '-h', '/var/www'],
        Labels: { made: 'by-dockerode' },
        ExposedPorts: { '80/tcp': {} },
        HostConfig: { NetworkMode: 'app', PortBindings: { '80/tcp': [{ HostIp: '127.0.0.1', HostPort: '' }] } },
        NetworkingConfig: { EndpointsConfig: { app: { Aliases: ['www'], IPAMConfig: { IPv4Address: '10.80.0.9' } } } },
      });
      await container.start();
      const { NetworkSettings: settings } = await container.inspect();
      assert.equal(settings.Networks['app']?.IPAddress, '10.80.0.9');
      const port = settings.Ports['80/tcp']?.[0]?.HostPort;
      const page = async () => (await fetch(`http://127.0.0.1:${port}/`)).text();
      await eventually('the server serves', async () => /It works/.test(await page().catch(() => '')));
      const found = await docker.listContainers({ filters: { label: ['made=by-dockerode'] } });
      assert.deepEqual(
        found.map(({ Names }) => Names),
        [['/web']],
      );
      assert.equal(found[0]?.Ports[0]?.PublicPort, Number(port));
      await network.disconnect({ Container: 'web' });
      await network.connect({ Container: 'web', EndpointConfig: { Aliases: ['again'] } });
      await container.stop({ t: 1 });
      await container.remove();
      await network.remove();
      // The one with AutoRemove, too, which goes after its end was told.
      await eventually('nothing is left', async () => (await docker.listContainers({ all: true })).length === 0);
    });

    test('exec with input, in one hijacked stream', async () => {
      const container = await docker.createContainer({ Image: 'busybox', Cmd: ['sleep', '1000'] });
      await container.start();
      const exec = await container.exec({
        Cmd: ['sh', '-c', 'cat; echo err >&2; exit 4'],
        AttachStdin: true,
        AttachStdout: true,
        AttachStderr: true,
      });
      const stream = await exec.start({ hijack: true, stdin: true });
      const [out, err] = [new PassThrough(), new PassThrough()];
      docker.modem.demuxStream(stream, out, err);
      const read = Promise.all([text(out), text(err)]);
      stream.end('words\n');
      await once(stream, 'end');
      out.end();
      err.end();
      assert.deepEqual(await read, ['words\n', 'err\n']);
      assert.equal((await exec.inspect()).ExitCode, 4);
      const archive = await container.getArchive({ path: '/etc/hostname' });
      assert.match((await buffer(archive)).toString('latin1'), /hostname/);
      const committed = await container.commit({ repo: 'kept', tag: '1', comment: 'by dockerode' });
      assert.equal((await docker.getImage('kept:1').inspect()).Id, committed.Id);
      await docker.getImage('kept:1').remove();
      await container.remove({ force: true });
    });

    test('attach before start, with input; logs afterwards', async () => {
      const container = await docker.createContainer({
        Image: 'busybox',
        Cmd: ['cat'],
        OpenStdin: true,
        StdinOnce: true,
        AttachStdin: true,
      });
      const stream = await container.attach({ stream: true, hijack: true, stdin: true, stdout: true, stderr: true });
      const out = new PassThrough();
      docker.modem.demuxStream(stream, out, out);
      const read = text(out);
      const ended = once(stream, 'end');
      await container.start();
      stream.end('typed\n');
      assert.equal((await container.wait()).StatusCode, 0);
      await ended;
      out.end();
      assert.equal(await read, 'typed\n');
      const logs = await container.logs({ stdout: true, stderr: true, follow: false });
      assert.equal(logs.subarray(8).toString(), 'typed\n');
      await container.remove({ v: true });
    });

    test('events of a container arrive, in their order', async () => {
      const events = await docker.getEvents({ filters: { type: ['container'] } });
      const container = await docker.createContainer({ Image: 'busybox', Cmd: ['true'] });
      await container.start();
      await container.wait();
      await container.remove();
      const seen: string[] = [];
      for await (const chunk of events) {
        for (const line of String(chunk).trim().split('\n')) seen.push(JSON.parse(line).Action);
        if (seen.includes('destroy')) break;
      }
      assert.deepEqual(seen, ['create', 'start', 'die', 'destroy']);
    });

    test('what is missing is told by status and reason', async () => {
      await assert.rejects(docker.getContainer('nosuch').inspect(), { statusCode: 404, reason: 'no such container' });
      await assert.rejects(docker.createContainer({ Image: 'nosuch' }), { statusCode: 404 });
    });
  });
}
