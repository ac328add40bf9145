import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseApiVersion } from '../version.ts';
import { parseContainerSpec, warnOfMoved } from './container.ts';

const newest = parseApiVersion('1.50');

/** A body as small clients send it. */
function parse(config: object, host: object = {}, version = newest) {
  return parseContainerSpec({ Image: 'busybox', ...config, HostConfig: host }, version);
}

function refuses(config: object, host: object, words: string | RegExp, version = newest): void {
  assert.throws(() => parse(config, host, version), { kind: 'invalidArgument', message: words });
}

describe('the command', () => {
  const CASES: readonly (readonly [string, object, object])[] = [
    ['nothing given: both are the image’s', {}, {}],
    ['empty lists count as not given', { Cmd: [], Entrypoint: null }, {}],
    ['one string is a list of one', { Cmd: 'true' }, { command: ['true'] }],
    ['an entrypoint drops the image’s command', { Entrypoint: ['e'] }, { entrypoint: ['e'], command: [] }],
    ['--entrypoint "" drops both', { Entrypoint: [''], Cmd: ['c'] }, { entrypoint: [], command: ['c'] }],
    ['an empty entrypoint keeps the image’s command', { Entrypoint: [] }, { entrypoint: [] }],
  ];
  for (const [name, config, wanted] of CASES) {
    test(name, () => {
      const { entrypoint, command } = parse(config);
      assert.deepEqual(JSON.parse(JSON.stringify({ entrypoint, command })), wanted);
    });
  }
});

describe('fields', () => {
  test('names match in any case', () => {
    const spec = parseContainerSpec({ image: 'x', TTY: true, hostconfig: { autoremove: true } }, newest);
    assert.deepEqual([spec.image, spec.tty, spec.autoRemove], ['x', true, true]);
  });

  test('user keys keep theirs', () => {
    assert.deepEqual(parse({ Labels: { 'A.b': 'C', empty: null } }).labels, { 'A.b': 'C', empty: '' });
  });

  test('what asks for what happens anyway is accepted', () => {
    parse(
      { Healthcheck: { Test: ['NONE'] }, StopTimeout: -1, ArgsEscaped: true },
      {
        RestartPolicy: { Name: 'no', MaximumRetryCount: 0 },
        LogConfig: { Type: 'json-file', Config: {} },
        MemorySwappiness: -1,
        ShmSize: 67108864,
        IpcMode: 'private',
        Runtime: 'runc',
        UsernsMode: 'host',
        BlkioWeightDevice: [],
        ConsoleSize: [0, 0],
      },
    );
  });

  test('IPC is the daemon’s to choose, and before API 1.40 shared', () => {
    assert.equal(parse({}).isolation.ipc, undefined);
    assert.deepEqual(parse({}, {}, parseApiVersion('1.39')).isolation.ipc, {
      kind: 'shareable',
    });
  });

  test('the size a terminal begins with', () => {
    assert.deepEqual(parse({}, { ConsoleSize: [24, 80] }).consoleSize, [24, 80]);
    assert.equal(parse({}, { ConsoleSize: [0, 0] }).consoleSize, undefined);
  });

  test('limits', () => {
    const { resources, cgroupParent, oomScoreAdj } = parse(
      {},
      {
        Memory: 1 << 26,
        MemorySwappiness: -1,
        NanoCpus: 5e8,
        PidsLimit: 0,
        OomKillDisable: false,
        CpusetCpus: '0-1',
        CgroupParent: '/mine',
        OomScoreAdj: -500,
        BlkioDeviceReadBps: [{ Path: '/dev/sda', Rate: 1024 }],
        BlkioDeviceWriteIOps: [],
        BlkioWeightDevice: [{ Path: '/dev/sda', Weight: 20 }],
      },
    );
    assert.deepEqual(resources, {
      memory: 1 << 26,
      oomKillDisable: false,
      pidsLimit: 0,
      nanoCpus: 5e8,
      cpusetCpus: '0-1',
      blkioWeightDevices: [{ path: '/dev/sda', weight: 20 }],
      readBps: [{ path: '/dev/sda', rate: 1024 }],
    });
    assert.deepEqual([cgroupParent, oomScoreAdj], ['/mine', -500]);
    assert.deepEqual(parse({}, { MemorySwap: -1, CpuShares: 0 }).resources, { memorySwap: -1 });
  });

  test('nothing of a container’s own is none; without network is the mode none, whatever else is said', () => {
    for (const body of [{}, { HostConfig: {} }, null]) {
      assert.throws(() => parseContainerSpec(body, newest), /^EngineError: config cannot be empty/);
    }
    const { networkMode, endpoints, networkDisabled } = parse({ NetworkDisabled: true }, { NetworkMode: 'app' });
    assert.deepEqual([networkMode, endpoints, networkDisabled], [{ kind: 'none' }, [], true]);
  });

  const REFUSED: readonly (readonly [object, object, string | RegExp])[] = [
    [{}, { KernelMemory: 1 << 26 }, '--kernel-memory (HostConfig.KernelMemory) is not supported by Fairway yet'],
    [{}, { CpuRealtimeRuntime: 5 }, /^--cpu-rt-runtime/],
    [{}, { OomScoreAdj: 1001 }, 'Invalid value 1001, range for oom score adj is [-1000, 1000]'],
    [{}, { Ulimits: [{ Name: 'nofiles' }] }, 'invalid ulimit type: nofiles'],
    [{}, { Ulimits: [{ Name: 'nofile', Soft: 2, Hard: 1 }] }, /^ulimit soft limit must be less/],
    [{}, { PidMode: 'x' }, 'invalid PID mode: x'],
    [{}, { IpcMode: 'container:' }, 'invalid IPC mode: container:'],
    [{}, { UTSMode: 'private' }, 'invalid UTS mode: private'],
    [{ Hostname: 'h' }, { UTSMode: 'host' }, 'conflicting options: hostname and the UTS mode'],
    [{}, { ShmSize: -1 }, 'SHM size can not be less than 0'],
    [{}, { Isolation: 'hyperv' }, "invalid isolation (hyperv): linux only supports 'default'"],
    [{}, { DeviceCgroupRules: ['c 1:3 x'] }, "invalid device cgroup rule format: 'c 1:3 x'"],
    [{}, { DeviceRequests: [{ Count: -1 }] }, /^--gpus/],
    [{}, { StorageOpt: { size: '1G' } }, /^--storage-opt/],
    [{}, { RestartPolicy: { Name: 'often' } }, /unknown policy 'often'/],
    [{}, { LogConfig: { Config: { 'max-size': 1 } } }, /^invalid JSON: .* HostConfig.LogConfig.Config/],
    [{}, { Tmpfs: { '/t': 'up' } }, 'invalid tmpfs option "up"'],
    [{}, { VolumeDriver: 'nfs' }, /^--volume-driver/],
    [{ Healthcheck: { Test: ['HTTP', '/'] } }, {}, "Unknown healthcheck type 'HTTP' (expected 'CMD')"],
    [{ Healthcheck: { Test: ['CMD'] } }, {}, 'Missing command after CMD in Healthcheck'],
    [{ Healthcheck: { Interval: 5 } }, {}, 'Interval in Healthcheck cannot be less than 1ms'],
    [{ Healthcheck: { Retries: -1 } }, {}, 'Retries in Healthcheck cannot be negative'],
    [{ Volumes: { data: {} } }, {}, /invalid mount path: 'data' mount path must be absolute$/],
    [{ Warp: 9 }, {}, 'option Warp is not supported by Fairway yet'],
    [{ Env: ['=x'] }, {}, 'invalid environment variable: =x'],
    [{ WorkingDir: 'tmp' }, {}, "the working directory 'tmp' is invalid, it needs to be an absolute path"],
    [{ Image: '' }, {}, 'no command specified'],
    [{ Image: '', Cmd: ['true'] }, {}, 'no image specified'],
    [{ StopTimeout: 1.5 }, {}, /cannot unmarshal number into field StopTimeout of type int64/],
    [{}, { Dns: ['example'] }, 'invalid nameserver address: example'],
    [{}, { ExtraHosts: ['x'] }, 'bad format for add-host: "x"'],
    [{}, { ExtraHosts: ['x:1.2.3'] }, 'invalid IP address in add-host: "1.2.3"'],
  ];
  for (const [config, host, words] of REFUSED) {
    test(`${JSON.stringify({ ...config, ...host })} is refused`, () => refuses(config, host, words));
  }

  test('what moved into HostConfig long ago is passed over outside of it, with a warning where it is set', () => {
    assert.deepEqual(parse({ Dns: ['8.8.8.8'], VolumesFrom: ['x'] }, {}).dns, []);
    assert.deepEqual(warnOfMoved({ Image: 'x', Dns: ['8.8.8.8'], VolumesFrom: [], Runtime: null }), [
      'Dns has no effect outside of HostConfig',
    ]);
  });

  test('extra hosts in every spelling', () => {
    const { extraHosts } = parse({}, { ExtraHosts: ['a:10.0.0.1', 'b=host-gateway', 'c:[fd00::1]'] });
    assert.deepEqual(extraHosts, ['a:10.0.0.1', 'b:host-gateway', 'c:fd00::1']);
  });
});

describe('network modes', () => {
  const MODES: readonly (readonly [string, object])[] = [
    ['', { kind: 'network', name: 'bridge' }],
    ['default', { kind: 'network', name: 'bridge' }],
    ['app', { kind: 'network', name: 'app' }],
    ['host', { kind: 'host' }],
    ['none', { kind: 'none' }],
    ['container:web', { kind: 'container', container: 'web' }],
  ];
  for (const [text, mode] of MODES) {
    test(`"${text}"`, () => assert.deepEqual(parse({}, { NetworkMode: text }).networkMode, mode));
  }

  const CONFLICTS: readonly (readonly [object, object, string])[] = [
    [{ Hostname: 'h' }, {}, 'conflicting options: hostname and the network mode'],
    [{}, { Dns: ['1.1.1.1'] }, 'conflicting options: dns and the network mode'],
    [{}, { ExtraHosts: ['a:1.1.1.1'] }, 'conflicting options: custom host-to-IP mapping and the network mode'],
    [{}, { PublishAllPorts: true }, 'conflicting options: port publishing and the container type network mode'],
    [{ ExposedPorts: { '80/tcp': {} } }, {}, 'conflicting options: port exposing and the container type network mode'],
    [
      {},
      { Links: ['a:b'] },
      "conflicting options: container type network can't be used with links. This would result in undefined behavior",
    ],
  ];
  for (const [config, host, words] of CONFLICTS) {
    test(`container: and ${JSON.stringify({ ...config, ...host })}`, () =>
      refuses(config, { ...host, NetworkMode: 'container:web' }, words));
  }

  test('container: without a container', () => {
    refuses({}, { NetworkMode: 'container:' }, 'invalid network mode: invalid container format container:<name|id>');
  });
});

describe('endpoints', () => {
  const networks = (configs: object) => ({ NetworkingConfig: { EndpointsConfig: configs } });

  test('without any, the mode’s own network', () => {
    const { endpoints } = parse({}, { NetworkMode: 'app' });
    assert.deepEqual(endpoints, [{ network: 'app', aliases: [], driverOptions: {}, gatewayPriority: 0 }]);
  });

  test('everything an endpoint can ask for', () => {
    const config = {
      IPAMConfig: { IPv4Address: '10.0.0.9' },
      Aliases: ['a', 'a', 'b'],
      MacAddress: '02-42-AC-11-00-02',
      DriverOpts: { k: 'v' },
      GwPriority: 5,
      // What an inspect showed, sent back as it came.
      EndpointID: 'x',
      IPAddress: '10.0.0.8',
    };
    const { endpoints } = parse(networks({ app: config }), { NetworkMode: 'app' });
    assert.deepEqual(endpoints, [
      {
        network: 'app',
        aliases: ['a', 'b'],
        address: '10.0.0.9',
        mac: '02:42:ac:11:00:02',
        driverOptions: { k: 'v' },
        gatewayPriority: 5,
      },
    ]);
  });

  test('links are names on their network; those of the host configuration go to the main one', () => {
    const config = networks({ app: { Links: ['/db:/web/database', 'cache'] }, b: {} });
    const { endpoints } = parse(config, { NetworkMode: 'b', Links: ['api:backend'] });
    assert.deepEqual(
      endpoints.map(({ links }) => links),
      [
        [{ container: 'api', alias: 'backend' }],
        [
          { container: 'db', alias: 'database' },
          { container: 'cache', alias: 'cache' },
        ],
      ],
    );
  });

  test('links of a container on the default network are its own', () => {
    const { endpoints, links } = parse({}, { NetworkMode: 'default', Links: ['/db:/web/database', 'cache'] });
    assert.deepEqual(links, [
      { container: 'db', alias: 'database' },
      { container: 'cache', alias: 'cache' },
    ]);
    assert.equal(endpoints[0]?.links, undefined);
  });

  test('several need API 1.44', () => {
    const two = networks({ a: {}, b: {} });
    assert.equal(parse(two, { NetworkMode: 'a' }).endpoints.length, 2);
    const words = 'Container cannot be created with multiple network endpoints: a, b';
    refuses(two, { NetworkMode: 'a' }, words, parseApiVersion('1.43'));
  });

  test('the container-wide MAC address goes to the main network', () => {
    const config = { ...networks({ a: {}, b: {} }), MacAddress: '02:00:00:00:00:01' };
    const { endpoints } = parse(config, { NetworkMode: 'b' });
    assert.deepEqual(
      endpoints.map(({ network, mac }) => [network, mac]),
      [
        ['b', '02:00:00:00:00:01'],
        ['a', undefined],
      ],
    );
  });

  const REFUSED: readonly (readonly [object, object, string | RegExp])[] = [
    [{ IPAMConfig: { IPv4Address: '10.0.0' } }, {}, 'invalid endpoint settings:\ninvalid IPv4 address: 10.0.0'],
    [{ IPAMConfig: { IPv6Address: '10.0.0.1' } }, {}, /^invalid endpoint settings:\ninvalid IPv6 address: 10.0.0.1$/],
    [{ IPAMConfig: { LinkLocalIPs: ['x'] } }, {}, /invalid link-local IP address: x$/],
    [{ Links: ['a:b:c'] }, {}, 'bad format for links: a:b:c'],
    [{ MacAddress: 'zz' }, {}, 'invalid MAC address: zz'],
    [
      { MacAddress: '02:00:00:00:00:02' },
      { MacAddress: '02:00:00:00:00:01' },
      /^the container-wide MAC address must match/,
    ],
  ];
  for (const [endpoint, config, words] of REFUSED) {
    test(`${JSON.stringify({ ...endpoint, ...config })} is refused`, () =>
      refuses({ ...config, ...networks({ app: endpoint }) }, { NetworkMode: 'app' }, words));
  }

  test('modes without endpoints take none', () => {
    assert.deepEqual(parse(networks({ host: {} }), { NetworkMode: 'host' }).endpoints, []);
    refuses(networks({ app: {} }), { NetworkMode: 'none' }, /one of the networks in private \(none\) mode$/);
    refuses(networks({ app: {} }), { NetworkMode: 'host' }, /^container sharing network namespace with another/);
    const address = { IPAMConfig: { IPv4Address: '10.0.0.9' } };
    refuses(networks({ host: address }), { NetworkMode: 'host' }, /^user specified IP address is supported on user/);
  });
});

test('the working directory as Docker keeps it', () => {
  assert.deepEqual(
    ['', '/', '/tmp/', '/a//b/../c/.'].map((WorkingDir) => parse({ WorkingDir }).workingDirectory),
    ['', '/', '/tmp', '/a/c'],
  );
});

test('a read-only bind covers what is mounted below its source since API 1.44, unless it says so itself', () => {
  const host = { Binds: ['/a:/a:ro', '/b:/b'], Mounts: [{ Type: 'bind', Source: '/c', Target: '/c', ReadOnly: true }] };
  const below = (version: string) =>
    parse({}, host, parseApiVersion(version)).mounts.map((mount) => mount.type === 'bind' && mount.readOnlyBelow);
  assert.deepEqual(below('1.44'), [undefined, undefined, undefined]);
  assert.deepEqual(below('1.43'), [false, undefined, false]);
});
