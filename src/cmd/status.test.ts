import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renderPlan, renderStatus } from './status.ts';
import { duration } from './table.ts';

test('the status shows networks, endpoints, ports and drift', () => {
  const text = renderStatus({
    version: '0.1.0',
    pid: 7,
    uptime: 3725,
    memory: 80 * 2 ** 20,
    networks: [
      {
        id: 'n',
        name: 'app',
        driver: 'bridge',
        bridge: 'br-1',
        subnet: '10.0.0.0/24',
        gateway: '10.0.0.1',
        endpoints: 1,
      },
    ],
    endpoints: [
      {
        container: 'web',
        network: 'app',
        link: 'eth0',
        address: '10.0.0.2/24',
        mac: '02:00:00:00:00:01',
        defaultRoute: true,
      },
    ],
    ports: [{ container: 'web', protocol: 'tcp', host: '0.0.0.0', hostPort: 8000, containerPort: 80, count: 10 }],
    overlaps: [{ network: 'app', subnet: '10.0.0.0/24', with: 'route 10.0.0.0/16 on tun0' }],
    drops: { internal: 0, unpublished: 7 },
    drift: {
      repairs: 2,
      last: { at: '12:00', text: 'created link host br-1' },
      contested: [
        { resource: 'link host veth1', times: 9, since: '11:58', next: '12:01' },
        { resource: 'route host 10.9.0.0/16', times: 1, since: '11:59', next: '12:02', failure: 'no such device' },
      ],
      pending: ['create address host br-1 10.0.0.1/24'],
    },
    dns: {
      questions: 1,
      answered: 1,
      cached: 0,
      forwarded: 0,
      failed: 0,
      refused: 0,
      upstreams: [
        { server: '192.0.2.1', from: 'host', healthy: true, latency: 1.25, asked: 3, answered: 3, failed: 0 },
        { server: '192.0.2.9', from: 'sandbox:a', healthy: false, asked: 2, answered: 0, failed: 2 },
      ],
    },
  });
  assert.match(text, /Fairway 0\.1\.0, PID 7, up 1 h 2 min, 80 MiB/);
  assert.match(text, /app {3}bridge {2}br-1 {4}10\.0\.0\.0\/24 {2}10\.0\.0\.1 {2}1/);
  assert.match(text, /web {8}app {6}eth0 {2}10\.0\.0\.2\/24 .* default route/);
  assert.match(text, /0\.0\.0\.0:8000-8009 {2}80-89\/tcp/);
  assert.match(text, /DNS: 1 question: 1 known, 0 from the cache, 0 forwarded, 0 failed, 0 refused\n {2}SERVER/);
  assert.match(text, /192\.0\.2\.1 {2}host {7}answers {2}1\.3 ms {3}3 {6}0\n/);
  assert.match(text, /192\.0\.2\.9 {2}sandbox:a {2}fails {4}- {8}2 {6}2\n/);
  assert.match(text, /Drift: 1 step wanted\n {2}create address host br-1/);
  assert.match(
    text,
    /^Contested:\n {2}link host veth1: somebody undoes it, mended 9 times since 11:58, not again before 12:01$/m,
  );
  assert.match(text, /^ {2}route host .*: cannot be mended \(no such device\), tried 1 time since 11:59, not again/m);
  assert.match(text, /^Dropped packets: 7 unpublished$/m);
  assert.match(text, /Last repair \(2 repairs since the start\)/);
});

test('an empty plan says so, another one lists its steps', () => {
  assert.match(renderPlan([]), /Nothing to do/);
  const plan = renderPlan([{ action: 'create', resource: 'link host docker0', because: 'it is missing' }]);
  assert.equal(plan, '+ create link host docker0: it is missing\n1 step\n');
});

test('durations name their two largest units', () => {
  assert.deepEqual([0, 59, 61, 90_061].map(duration), ['0 s', '59 s', '1 min 1 s', '1 d 1 h']);
});
