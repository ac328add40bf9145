import assert from 'node:assert/strict';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { isInside, runInside } from './inside.ts';

if (!isInside) {
  test('testcontainers drives Fairway', () => runInside(import.meta.filename));
} else {
  const { GenericContainer, Network, Wait } = await import('testcontainers');

  describe('testcontainers', () => {
    test('a server is waited for by its port and by its answer', async () => {
      await using server = await new GenericContainer('busybox')
        .withCommand(['sh', '-c', 'sleep 0.2; echo ready; exec httpd -f -h /var/www'])
        .withExposedPorts(80)
        .withWaitStrategy(Wait.forAll([Wait.forLogMessage('ready'), Wait.forHttp('/', 80)]))
        .start();
      const answer = await fetch(`http://${server.getHost()}:${server.getMappedPort(80)}/`);
      assert.match(await answer.text(), /It works/);
      const { output, exitCode } = await server.exec(['sh', '-c', 'echo $COLOUR; hostname']);
      assert.equal(exitCode, 0);
      assert.match(output, new RegExp(server.getHostname()));
    });

    test('two containers talk by name on a network of their own', async () => {
      await using network = await new Network().start();
      await using server = await new GenericContainer('busybox')
        .withCommand(['httpd', '-f', '-h', '/var/www'])
        .withNetwork(network)
        .withNetworkAliases('www')
        .start();
      await using client = await new GenericContainer('busybox')
        .withCommand(['sleep', '1000'])
        .withNetwork(network)
        .withEnvironment({ COLOUR: 'green' })
        .start();
      const { output } = await client.exec([
        'sh',
        '-c',
        'echo $COLOUR; until wget -qO- http://www/; do sleep 0.1; done',
      ]);
      assert.match(output, /green\n[\s\S]*It works/);
      assert.equal(server.getNetworkNames().includes(network.getName()), true);
    });

    test('files are copied in before the start and out afterwards', async () => {
      await using container = await new GenericContainer('busybox')
        .withCopyContentToContainer([{ content: 'copied\n', target: '/srv/deep/file' }])
        .withCommand(['sh', '-c', 'cat /srv/deep/file; sleep 1000'])
        .withWaitStrategy(Wait.forLogMessage('copied'))
        .start();
      await container.copyContentToContainer([{ content: 'later', target: '/tmp/later' }]);
      assert.equal((await container.exec(['cat', '/tmp/later'])).output.trim(), 'later');
    });

    test('an image is built from a Dockerfile, by BuildKit and without', async () => {
      const context = mkdtempSync(join(tmpdir(), 'context-'));
      writeFileSync(join(context, 'page'), 'packed\n');
      writeFileSync(join(context, 'Dockerfile'), 'FROM busybox\nCOPY page /page\nRUN cat /page > /built\n');
      for (const builder of [
        GenericContainer.fromDockerfile(context),
        GenericContainer.fromDockerfile(context).withBuildkit(),
      ]) {
        const image = await builder.withCache(false).build();
        await using container = await image.withCommand(['sleep', '1000']).start();
        assert.equal((await container.exec(['cat', '/built'])).output.trim(), 'packed');
      }
    });

    test('a health check is waited for', async () => {
      await using container = await new GenericContainer('busybox')
        .withCommand(['sh', '-c', 'sleep 0.3; touch /ok; sleep 1000'])
        .withHealthCheck({
          test: ['CMD', 'test', '-e', '/ok'],
          interval: 100,
          timeout: 30_000,
          retries: 1000,
          startPeriod: 0,
        })
        .withWaitStrategy(Wait.forHealthCheck())
        .start();
      assert.equal((await container.exec(['test', '-e', '/ok'])).exitCode, 0);
    });
  });
}
