import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { NetworkNamespace } from '../../src/kernel/netns.ts';
import { nftResolverRedirect } from '../../src/kernel/resolver-redirect.ts';
import { parseIpAddress } from '../../src/model/address.ts';

test('a redirect is written and replaced also when descriptors have numbers beyond 1024', () => {
  const directory = mkdtempSync(join(tmpdir(), 'fairway-many-'));
  const taken = Array.from({ length: 1100 }, () => openSync('/dev/null', 'r'));
  const path = join(directory, 'sandbox');
  try {
    using namespace = NetworkNamespace.create(path);
    assert.ok(namespace.fd > 1024);
    const redirect = { address: parseIpAddress('127.0.0.11'), udpPort: 40_001, tcpPort: 40_002 };
    nftResolverRedirect(namespace, redirect);
    nftResolverRedirect(namespace, { ...redirect, udpPort: 40_003 });
  } finally {
    NetworkNamespace.unpin(path);
    for (const descriptor of taken) closeSync(descriptor);
    rmSync(directory, { recursive: true });
  }
});
