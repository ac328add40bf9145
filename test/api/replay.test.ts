import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseContainerSpec } from '../../src/api/parse/container.ts';
import { parseExec, parseExecStart } from '../../src/api/parse/exec.ts';
import { parseConnect, parseDisconnect, parseNetworkRequest } from '../../src/api/parse/network.ts';
import { renderContainer } from '../../src/api/render/container.ts';
import { renderEvent } from '../../src/api/render/event.ts';
import { renderHistory, renderImage, renderImageSummary } from '../../src/api/render/image.ts';
import { renderSummary } from '../../src/api/render/list.ts';
import { renderNetwork } from '../../src/api/render/network.ts';
import { renderStats } from '../../src/api/render/stats.ts';
import { renderInfo, renderVersion } from '../../src/api/render/system.ts';
import { renderVolume } from '../../src/api/render/volume.ts';
import { newestApiVersion, parseApiVersion } from '../../src/api/version.ts';
import type { Sample } from '../../src/engine/stats.ts';
import type { EngineEvent } from '../../src/model/event.ts';
import { readLegacyUsage } from '../../src/runtime/stats/cgroup.ts';
import { replies, requests, shapeDifferences } from './golden.ts';
import {
  containerView,
  createdView,
  history,
  hostNetworkView,
  image,
  info,
  networkView,
  version,
  volumeView,
} from './samples.ts';

const v141 = parseApiVersion('1.41');

/** Recorded requests that ask for what Fairway does not do: refused in words that name the option. */
const REFUSED: Readonly<Record<string, RegExp>> = {
  'run-two-networks': /^Container cannot be created with multiple network endpoints: h5net2?, h5net2?$/,
};

describe('recorded requests are understood', () => {
  for (const { recording, version: api, body } of requests.creates) {
    test(`create of ${recording}`, () => {
      const parse = () => parseContainerSpec(body, parseApiVersion(api));
      const words = REFUSED[recording];
      if (words === undefined) assert.notEqual(parse().image, '');
      else assert.throws(parse, { kind: 'invalidArgument', message: words });
    });
  }

  for (const { recording, body } of requests.networks) {
    test(`network create of ${recording}`, () => {
      const wanted = body as { Name: string; IPAM?: { Config?: { Subnet: string }[] } };
      const request = parseNetworkRequest(body, newestApiVersion());
      assert.equal(request.name, wanted.Name);
      assert.deepEqual(
        request.pools.map((pool) => pool.subnet),
        (wanted.IPAM?.Config ?? []).map((c) => c.Subnet),
      );
    });
  }

  for (const { recording, path = '', body } of requests.connects) {
    test(`${path} of ${recording}`, () => {
      const { Container } = body as { Container: string };
      const parsed = path.endsWith('disconnect') ? parseDisconnect(body) : parseConnect('n', body);
      assert.equal(parsed.container, Container);
    });
  }

  for (const { recording, path = '', body } of requests.execs) {
    test(`${path} of ${recording}`, () => {
      if (path.endsWith('exec')) assert.notEqual(parseExec(body).command.length, 0);
      else assert.equal(parseExecStart(body).detach, recording === 'exec-d');
    });
  }
});

/** Keys Docker 20.10 has and we have not, the other way round, or of another type; each with its reason. */
const overlay = [
  '.GraphDriver.Data.LowerDir',
  '.GraphDriver.Data.MergedDir',
  '.GraphDriver.Data.UpperDir',
  '.GraphDriver.Data.WorkDir',
];
const layers = overlay.map((key) => `${key}: missing`);

function assertShape(golden: unknown, ours: unknown, deliberate: readonly string[] = []): void {
  const differences = shapeDifferences(golden, JSON.parse(JSON.stringify(ours)));
  assert.deepEqual(
    differences.filter((difference) => !deliberate.includes(difference)),
    [],
  );
}

describe('replies have the shape Docker gave them', () => {
  test('a container on two networks', () => {
    assertShape(replies.container, renderContainer(containerView, v141), [
      ...layers,
      // `network connect` sends {} where `run` sends null; that nobody set an option is all that is kept.
      '.NetworkSettings.Networks.h5net.DriverOpts: object became null',
    ]);
  });

  test('a created container', () => {
    assertShape(replies.containerCreated, renderContainer(createdView, v141), [
      ...layers,
      // The sample exposes ports, has a bind mount, an environment; the recording has not.
      '.Config.ExposedPorts: new',
      '.Config.Env: null became array',
      '.HostConfig.Binds: null became array',
      '.HostConfig.PortBindings.53/udp: new',
      '.HostConfig.PortBindings.80/tcp: new',
      '.Config.Labels.a: new',
    ]);
  });

  test('the list of containers', () => {
    const summary = renderSummary({ ...containerView, networks: containerView.networks.slice(0, 1) }, v141, Date.now());
    assertShape(replies.containers, [summary]);
  });

  test('volumes', () => {
    const { Volumes } = replies.df as { Volumes: unknown };
    assertShape(Volumes, [renderVolume(volumeView, 0)]);
  });

  test('networks', () => {
    assertShape(replies.network, renderNetwork(networkView, v141, true));
    assertShape(replies.networks, [renderNetwork(hostNetworkView, v141, false)]);
  });

  test('images and their history', () => {
    assertShape(replies.image, renderImage(image, v141), layers);
    assertShape((replies.images as unknown[]).slice(1), [renderImageSummary(image, v141, -1)]);
    assertShape((replies.history as unknown[]).slice(1), renderHistory(history));
  });

  test('stats, on cgroup v1', () => {
    const zero = { bytes: 0, packets: 0, errors: 0, dropped: 0 };
    const usage = readLegacyUsage((_, file) => (file === 'cpuacct.usage_percpu' ? '1 2' : '0'));
    const now: Sample = {
      at: '2026-11-21T01:23:20.688Z',
      usage,
      machine: { total: 1, processors: 2 },
      networks: new Map([['eth0', { name: 'eth0', received: zero, sent: zero }]]),
    };
    assertShape(replies.stats, renderStats({ container: containerView.container, now, before: now }), [
      '.pids_stats.limit: new',
    ]);
  });

  test('info', () => {
    assertShape(replies.info, renderInfo(info, v141, new Date()), [
      '.DefaultAddressPools: new',
      // Registries whose layers may not be passed on are nobody's concern any more.
      '.RegistryConfig.AllowNondistributableArtifactsCIDRs: array became null',
      '.RegistryConfig.AllowNondistributableArtifactsHostnames: array became null',
      // Docker's demo registry of the recording.
      '.RegistryConfig.IndexConfigs.127.0.0.1:5005: missing',
      '.RegistryConfig.IndexConfigs.docker.io: missing',
      // A containerd runtime that left Docker in 23.0.
      '.Runtimes.io.containerd.runtime.v1.linux: missing',
    ]);
  });

  test('version', () => {
    assertShape(replies.version, renderVersion(version));
  });
});

describe('events have the fields and the order Docker gave them', () => {
  for (const [index, golden] of (replies.events as Record<string, unknown>[]).entries()) {
    test(`event ${index}: ${golden['Type']} ${golden['Action']}`, () => {
      const { ID, Attributes } = golden['Actor'] as { ID: string; Attributes: Record<string, string> };
      const event: EngineEvent = {
        type: golden['Type'] as EngineEvent['type'],
        action: golden['Action'] as string,
        id: ID,
        attributes: Attributes,
        timeNano: BigInt(golden['timeNano'] as number),
      };
      const line = renderEvent(event);
      assert.deepEqual(Object.keys(JSON.parse(line)), Object.keys(golden));
      assert.deepEqual(JSON.parse(line), golden);
    });
  }
});
