import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { eventually } from './host.ts';

/** A connection to something that echoes: what is said is heard, as long as it is the same connection. */
export class Conversation {
  readonly #process: ChildProcess;
  #heard = '';
  #said = 0;

  constructor(process: ChildProcess) {
    this.#process = process;
    process.stdout?.on('data', (chunk: Buffer) => (this.#heard += chunk.toString()));
  }

  async goesOn(when: string): Promise<void> {
    const word = `word ${++this.#said}\n`;
    this.#process.stdin?.write(word);
    await eventually(`${when}: an open connection carries on`, () => {
      assert.equal(this.#process.exitCode, null, `${when}: the connection has ended`);
      return this.#heard.endsWith(word);
    });
  }
}
