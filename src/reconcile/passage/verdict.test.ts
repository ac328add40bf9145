import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inputVerdict } from './verdict.ts';

const WEB = { protocol: 'tcp', port: 8080 } as const;
const said = (...lines: string[]) => inputVerdict(lines.join('\n'), WEB);

test('a policy decides what no rule does', () => {
  assert.equal(said('-P INPUT DROP'), 'drop');
  assert.equal(said('-P INPUT ACCEPT', '-A INPUT -p udp -j DROP'), 'accept');
});

test('rules that ask for protocol, port, state and lo are decided, also behind jumps, as ufw writes them', () => {
  const ufw = [
    '-P INPUT DROP',
    '-N ufw-before-input',
    '-N ufw-user-input',
    '-A INPUT -j ufw-before-input',
    '-A ufw-before-input -i lo -j ACCEPT',
    '-A ufw-before-input -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
    '-A ufw-before-input -j ufw-user-input',
  ];
  assert.equal(said(...ufw, '-A ufw-user-input -p tcp -m tcp --dport 22 -j ACCEPT'), 'drop');
  assert.equal(said(...ufw, '-A ufw-user-input -p tcp -m multiport --dports 80,8000:8100 -j ACCEPT'), 'accept');
  assert.equal(said(...ufw, '-A ufw-user-input -j RETURN', '-A INPUT -j REJECT --reject-with tcp-reset'), 'drop');
});

test('a rule that asks for more is named, when it would decide', () => {
  const rule = '-s 198.51.100.0/24 -p tcp -m tcp --dport 8080 -j ACCEPT';
  assert.equal(said('-P INPUT DROP', `-A INPUT ${rule}`), `unknown: ${rule}`);
  assert.equal(said('-P INPUT DROP', '-A INPUT -s 198.51.100.0/24 -j LOG --log-prefix x'), 'drop');
  assert.equal(said('-P INPUT DROP', '-A INPUT -s 198.51.100.0/24 -p udp -j ACCEPT'), 'drop');
});
