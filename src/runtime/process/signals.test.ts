import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSignal } from './signals.ts';

test('signals by name, with and without SIG, and by number', () => {
  const numbers = {
    SIGTERM: 15,
    TERM: 15,
    term: 15,
    sigkill: 9,
    WINCH: 28,
    '15': 15,
    RTMIN: 34,
    'SIGRTMIN+3': 37,
    'RTMAX-1': 63,
  };
  for (const [text, number] of Object.entries(numbers)) assert.equal(parseSignal(text), number, text);
});

test('anything else is refused in Docker’s words', () => {
  for (const text of [
    '',
    '0',
    '65',
    '-1',
    'SIG',
    'SIG9',
    'SIGNOSUCH',
    'RTMIN-1',
    'RTMAX+1',
    'RTMIN+31',
    'toString',
    '1.5',
    ' TERM',
  ]) {
    assert.throws(() => parseSignal(text), { kind: 'invalidArgument', message: `invalid signal: ${text}` });
  }
});
