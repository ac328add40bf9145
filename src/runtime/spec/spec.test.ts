import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PLAIN_SPEC } from '../../../test/plain-spec.ts';
import { type Container, type ContainerSpec, NEVER } from '../../model/container.ts';
import { type Isolation, PLAIN_ISOLATION } from '../../model/isolation.ts';
import type { BindMount } from '../../model/mount.ts';
import { DEFAULT_CAPABILITIES } from './capabilities.ts';
import { readLegacy } from './cgroups.ts';
import { mapDevices, readHostDevices } from './devices.ts';
import type { HostFacts } from './host.ts';
import { decodeSpec, encodeSpec } from './json.ts';
import { buildSpec, type SpecInput } from './spec.ts';

const host: HostFacts = {
  architecture: 'amd64',
  kernel: [6, 1],
  runs32Bit: true,
  capabilities: [...DEFAULT_CAPABILITIES, 'CAP_NET_ADMIN', 'CAP_SYS_ADMIN', 'CAP_BPF'],
  unifiedCgroups: false,
  cgroups: readLegacy(new Map()),
  seccomp: true,
};

const base: ContainerSpec = { ...PLAIN_SPEC, hostname: 'box' };

function build(spec: Partial<ContainerSpec> = {}, more: Partial<SpecInput> = {}, env: readonly string[] = []) {
  const container: Container = {
    id: 'c0ffee',
    name: 'web',
    created: NEVER,
    spec: { ...base, ...spec },
    imageId: 'sha256:0',
    args: ['true'],
    env,
    restartCount: 0,
    stoppedByHand: false,
    mounts: [],
    state: { status: 'created', pid: 0, exitCode: 0, oomKilled: false, error: '', startedAt: NEVER, finishedAt: NEVER },
  };
  const files = { hosts: '/c/hosts', hostname: '/c/hostname', resolvConf: '/c/resolv.conf' };
  const mounts = (spec.mounts ?? []).filter((mount) => mount.type !== 'volume');
  return buildSpec({ container, mounts, files, user: { uid: 0, gid: 0, additionalGids: [0] }, host, ...more });
}

const capabilities = (spec: Partial<ContainerSpec>) => build(spec).process.capabilities.bounding;
const bind = (destination: string, more: Partial<BindMount> = {}): BindMount => {
  const how = { readOnly: false, mode: '', propagation: '', createSource: true, recursive: true };
  return { type: 'bind', origin: 'binds', source: '/src', destination, ...how, ...more };
};
const destinations = (spec: Partial<ContainerSpec>) => build(spec).mounts.map((mount) => mount.destination);
const optionsOf = (spec: Partial<ContainerSpec>, destination: string) =>
  build(spec).mounts.find((mount) => mount.destination === destination)?.options;

test('Docker’s fourteen capabilities, no more, in all three sets', () => {
  const { capabilities: sets } = build().process;
  assert.equal(sets.bounding.length, 14);
  assert.deepEqual(sets.bounding, DEFAULT_CAPABILITIES);
  assert.deepEqual([sets.effective, sets.permitted], [sets.bounding, sets.bounding]);
});

test('capabilities are added and dropped, with or without CAP_, ALL included', () => {
  assert.deepEqual(capabilities({ capAdd: ['net_admin'] }), [...DEFAULT_CAPABILITIES, 'CAP_NET_ADMIN']);
  assert.ok(!capabilities({ capDrop: ['CAP_NET_RAW'] }).includes('CAP_NET_RAW'));
  assert.deepEqual(capabilities({ capDrop: ['ALL'], capAdd: ['CHOWN'] }), ['CAP_CHOWN']);
  assert.deepEqual(capabilities({ capAdd: ['ALL'] }), host.capabilities);
  const allButOne = capabilities({ capAdd: ['all'], capDrop: ['SYS_ADMIN'] });
  assert.deepEqual(
    allButOne,
    host.capabilities.filter((name) => name !== 'CAP_SYS_ADMIN'),
  );
  assert.deepEqual(capabilities({ privileged: true, capDrop: ['ALL'] }), host.capabilities);
});

test('capabilities that do not exist, or that we do not hold, are refused in Docker’s words', () => {
  const refusal = (message: string) => ({ kind: 'invalidArgument', message });
  assert.throws(() => build({ capAdd: ['foo'] }), refusal('invalid CapAdd: unknown capability: "CAP_FOO"'));
  assert.throws(() => build({ capDrop: ['CAP_FOO'] }), refusal('invalid CapDrop: unknown capability: "CAP_FOO"'));
  assert.throws(() => build({ capAdd: ['SYS_TIME'] }), { message: /not supported by your kernel.*"CAP_SYS_TIME"/ });
});

test('the environment: defaults first, the user’s over them, a bare name removes', () => {
  const { env } = build({ tty: true }, {}, ['PATH=/bin', 'A=b=c', 'HOSTNAME']).process;
  assert.deepEqual(env, ['PATH=/bin', 'TERM=xterm', 'A=b=c']);
  assert.match(build().process.env.join(' '), /^PATH=\/usr\/local\/sbin:\S+ HOSTNAME=box$/);
});

test('namespaces: the network’s by path or the host’s, the cgroup’s own on v2 or when asked for', () => {
  const types = (more: Partial<SpecInput>) => build({}, more).linux.namespaces.map(({ type }) => type);
  assert.deepEqual(types({}), ['mount', 'uts', 'pid', 'ipc']);
  assert.deepEqual(types({ host: { ...host, unifiedCgroups: true } }).at(-1), 'cgroup');
  assert.equal(build({ cgroupNamespace: 'private' }).linux.namespaces.at(-1)?.type, 'cgroup');
  const shared = build({ cgroupNamespace: 'host' }, { host: { ...host, unifiedCgroups: true } });
  assert.ok(!shared.linux.namespaces.some(({ type }) => type === 'cgroup'));
  const { namespaces } = build({}, { namespacePath: '/run/netns/x' }).linux;
  assert.deepEqual(namespaces.at(-1), { type: 'network', path: '/run/netns/x' });
});

test('another’s name with --network container:, a domain by sysctl', () => {
  const spec = build({}, { hostname: 'other', domainname: 'example.org' });
  assert.equal(spec.hostname, 'other');
  assert.ok(spec.process.env.includes('HOSTNAME=other'));
  assert.deepEqual(spec.linux.sysctl, { 'kernel.domainname': 'example.org' });
});

test('the files of the network are bound, unless the user binds there', () => {
  const mounts = build()
    .mounts.slice(-3)
    .map(({ source, destination }) => `${source}:${destination}`);
  assert.deepEqual(mounts, ['/c/resolv.conf:/etc/resolv.conf', '/c/hostname:/etc/hostname', '/c/hosts:/etc/hosts']);
  const given = build({ mounts: [bind('/etc/hosts')] }).mounts.filter((mount) => mount.destination === '/etc/hosts');
  assert.deepEqual(
    given.map((mount) => mount.source),
    ['/src'],
  );
});

test('binds come after what they lie in, and take the place of ours', () => {
  const found = destinations({ mounts: [bind('/data/deep/er'), bind('/data'), bind('/dev')] });
  assert.ok(found.indexOf('/data') < found.indexOf('/data/deep/er'));
  assert.equal(found.filter((path) => path.startsWith('/dev')).length, 1);
});

test('read-only binds, wholly where the kernel can; propagation reaches the root', () => {
  const spec = { mounts: [bind('/data', { readOnly: true })] };
  assert.deepEqual(optionsOf(spec, '/data'), ['rbind', 'rro', 'rprivate']);
  const old = build(spec, { host: { ...host, kernel: [5, 10] } }).mounts.at(0 - 4);
  assert.deepEqual(old?.options, ['rbind', 'ro', 'rprivate']);
  const root = (propagation: string) => build({ mounts: [bind('/data', { propagation })] }).linux.rootfsPropagation;
  assert.deepEqual([root(''), root('rslave'), root('shared')], [undefined, 'rslave', 'rshared']);
});

test('a read-only root leaves writable what Docker leaves writable', () => {
  const spec = build({ readOnlyRoot: true });
  assert.equal(spec.root.readonly, true);
  const writable = spec.mounts.filter((mount) => !mount.options.includes('ro')).map((mount) => mount.destination);
  assert.deepEqual(writable, ['/proc', '/dev', '/dev/pts', '/dev/mqueue', '/dev/shm']);
});

test('a privileged container meets no limits', () => {
  const hostDevices = [{ path: '/dev/x', type: 'c' as const, major: 1, minor: 2, fileMode: 0o600, uid: 0, gid: 0 }];
  const { linux } = build({ privileged: true }, { hostDevices });
  assert.deepEqual([linux.maskedPaths, linux.readonlyPaths, linux.seccomp], [[], [], undefined]);
  assert.deepEqual(linux.devices, hostDevices);
  assert.deepEqual(linux.resources.devices, [{ allow: true, access: 'rwm' }]);
  assert.ok(!optionsOf({ privileged: true }, '/sys')?.includes('ro'));
  assert.ok(!optionsOf({ privileged: true }, '/sys/fs/cgroup')?.includes('ro'));
});

test('the host’s devices are found with their numbers', () => {
  const found = readHostDevices().find((device) => device.path === '/dev/null');
  assert.deepEqual([found?.type, found?.major, found?.minor, found?.fileMode], ['c', 1, 3, 0o666]);
});

test('limits, the cgroup they hold in, and who is killed first', () => {
  const spec = build({ resources: { memory: 1 << 26, pidsLimit: 10 }, cgroupParent: '../up', oomScoreAdj: 300 });
  const { devices, ...limits } = spec.linux.resources;
  assert.deepEqual(limits, { memory: { limit: 1 << 26 }, pids: { limit: 10 } });
  assert.ok(devices.length > 0);
  assert.equal(spec.linux.cgroupsPath, '/up/c0ffee');
  assert.equal(build().linux.cgroupsPath, '/fairway/c0ffee');
  assert.equal(spec.process.oomScoreAdj, 300);
});

test('namespaces of others and of the host', () => {
  const types = (isolation: Partial<Isolation>, shared: SpecInput['shared'] = {}) =>
    build({ isolation: { ...PLAIN_ISOLATION, ...isolation } }, { shared }).linux.namespaces;
  assert.deepEqual(types({ hostUts: true }), [{ type: 'mount' }, { type: 'pid' }, { type: 'ipc' }]);
  assert.deepEqual(types({}, { pid: 'host', ipc: { path: '/proc/5/ns/ipc' } }), [
    { type: 'mount' },
    { type: 'uts' },
    { type: 'ipc', path: '/proc/5/ns/ipc' },
  ]);
  assert.equal(build({ isolation: { ...PLAIN_ISOLATION, hostUts: true }, domainname: 'x' }).hostname, undefined);
});

test('/dev/shm: of a size, shared, or none', () => {
  const shm = (isolation: Partial<Isolation>, shared: SpecInput['shared'] = {}) =>
    build({ isolation: { ...PLAIN_ISOLATION, ...isolation } }, { shared }).mounts.find(
      ({ destination }) => destination === '/dev/shm',
    );
  assert.ok(shm({ shmSize: 4096 })?.options.includes('size=4096'));
  assert.equal(shm({ ipc: { kind: 'none' } }), undefined);
  assert.deepEqual(shm({ ipc: { kind: 'host' } }, { shm: '/dev/shm' })?.source, '/dev/shm');
});

test('ulimits: the container’s over the daemon’s; what has no limit is written as runc wants it', () => {
  const ulimits = [{ name: 'nofile', soft: 5, hard: -1 }];
  const spec = build(
    { isolation: { ...PLAIN_ISOLATION, ulimits } },
    {
      defaultUlimits: [
        { name: 'nofile', soft: 1, hard: 1 },
        { name: 'core', soft: 0, hard: 0 },
      ],
    },
  );
  assert.deepEqual(spec.process.rlimits, [
    { type: 'RLIMIT_NOFILE', soft: 5, hard: -1 },
    { type: 'RLIMIT_CORE', soft: 0, hard: 0 },
  ]);
  assert.match(encodeSpec(spec), /"soft":5,"hard":18446744073709551615/);
  assert.deepEqual(decodeSpec(encodeSpec(spec)), JSON.parse(JSON.stringify(spec)));
});

test('devices and rules come after Docker’s; a privileged container has all', () => {
  const devices = mapDevices([{ host: '/dev/zero', container: '/dev/nought', permissions: 'r' }], false);
  const isolation = { ...PLAIN_ISOLATION, deviceRules: ['b 8:* rw'] };
  const { linux } = build({ isolation }, { devices });
  assert.deepEqual(linux.resources.devices.slice(-2), [
    { allow: true, type: 'c', major: 1, minor: 5, access: 'r' },
    { allow: true, type: 'b', major: 8, access: 'rw' },
  ]);
  assert.deepEqual(
    linux.devices.map(({ path, minor }) => [path, minor]),
    [['/dev/nought', 5]],
  );
  assert.equal(build({ isolation, privileged: true }).linux.resources.devices.length, 1);
  assert.throws(() => mapDevices([{ host: '/dev/nosuch', container: '/x', permissions: 'r' }], false), {
    message: 'error gathering device information while adding custom device "/dev/nosuch": no such file or directory',
  });
});

test('masked and read-only paths as the user says', () => {
  const { linux } = build({ isolation: { ...PLAIN_ISOLATION, maskedPaths: [], readonlyPaths: ['/proc/sys'] } });
  assert.deepEqual([linux.maskedPaths, linux.readonlyPaths], [[], ['/proc/sys']]);
});

test('cgroups are writable for privileged containers, unless something else is said', () => {
  const isWritable = (spec: Partial<ContainerSpec>) => !optionsOf(spec, '/sys/fs/cgroup')?.includes('ro');
  assert.deepEqual([isWritable({}), isWritable({ privileged: true })], [false, true]);
  assert.equal(isWritable({ securityOptions: ['writable-cgroups'] }), true);
  assert.equal(isWritable({ privileged: true, securityOptions: ['writable-cgroups=false'] }), false);
  assert.throws(() => build({ securityOptions: ['writable-cgroups=maybe'] }), /invalid --security-opt 2/);
});

test('security options', () => {
  assert.equal(build({ securityOptions: ['no-new-privileges'] }).process.noNewPrivileges, true);
  assert.equal(build({ securityOptions: ['no-new-privileges:true'] }).process.noNewPrivileges, true);
  assert.equal(build({ securityOptions: ['no-new-privileges=false'] }).process.noNewPrivileges, false);
  assert.equal(build({ securityOptions: ['seccomp=unconfined'] }).linux.seccomp, undefined);
  assert.equal(build({ securityOptions: ['label=disable'] }).process.noNewPrivileges, false);
  assert.throws(() => build({ securityOptions: ['what'] }), { message: 'invalid --security-opt 1: "what"' });
  assert.throws(() => build({ securityOptions: ['what=x'] }), { message: 'invalid --security-opt 2: "what=x"' });
});

test('AppArmor: Docker’s profile where it is loaded, a named one anyway, none without AppArmor', () => {
  const profile = (spec: Partial<ContainerSpec>, ...loaded: string[]) =>
    build(spec, { host: { ...host, apparmorProfiles: new Set(loaded) } }).process.apparmorProfile;
  assert.equal(profile({}, 'docker-default'), 'docker-default');
  assert.equal(profile({ privileged: true }, 'docker-default'), undefined);
  assert.equal(profile({}), undefined);
  assert.equal(profile({ securityOptions: ['apparmor=mine'] }), 'mine');
  assert.equal(build().process.apparmorProfile, undefined);
  assert.throws(() => build({ securityOptions: ['apparmor=mine'] }), { kind: 'invalidArgument' });
});

test('tmpfs: Docker’s defaults, the user’s words over them', () => {
  const tmpfs = (options: readonly string[], more: object = {}) => {
    const place = { type: 'tmpfs', origin: 'tmpfs', destination: '/t', readOnly: false, mode: '' } as const;
    return optionsOf({ mounts: [{ ...place, options, ...more }] }, '/t')?.join();
  };
  assert.equal(tmpfs([]), 'noexec,nosuid,nodev,rprivate');
  assert.equal(tmpfs(['exec', 'size=1m', 'size=2m']), 'exec,nosuid,nodev,rprivate,size=2m');
  assert.equal(
    tmpfs([], { size: 5, permissions: 0o1770, readOnly: true }),
    'noexec,nosuid,nodev,rprivate,ro,mode=1770,size=5',
  );
});

test('binds without what lies below, and read-only above it alone', () => {
  assert.deepEqual(optionsOf({ mounts: [bind('/d', { recursive: false, readOnly: true })] }, '/d'), [
    'bind',
    'ro',
    'rprivate',
  ]);
  const above = { readOnly: true, readOnlyBelow: false };
  assert.deepEqual(optionsOf({ mounts: [bind('/d', above)] }, '/d'), ['rbind', 'ro', 'rprivate']);
  const force = () =>
    build({ mounts: [bind('/d', { readOnly: true, readOnlyBelow: true })] }, { host: { ...host, kernel: [5, 10] } });
  assert.throws(force, { message: /need Linux 5\.12/ });
});
