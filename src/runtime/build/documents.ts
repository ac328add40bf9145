import { createHash } from 'node:crypto';
import { mkdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RenderOptions } from './render.ts';
import type { WorkFolder } from './work.ts';

/** Where programs of here-documents are for the commands, as in BuildKit */
const PROGRAMS = '/dev/pipes';

/** What a Dockerfile holds of files, kept in a build's folder. Their times are always the same, or the cache would not know them. */
export class Documents {
  readonly #work: WorkFolder;
  readonly #flags: string[] = [];
  #folders = 0;
  #hasPrograms = false;

  constructor(work: WorkFolder) {
    this.#work = work;
  }

  /** buildah's, for what is kept here. */
  get flags(): readonly string[] {
    const programs = ['--volume', `${join(this.#work.documents, 'programs')}:${PROGRAMS}:ro`];
    return this.#hasPrograms ? [...this.#flags, ...programs] : this.#flags;
  }

  /** Makes a folder for what the client gives a name. @returns its path */
  folder(name: string): string {
    const path = join(this.#work.documents, `context-${++this.#folders}`);
    mkdirSync(path);
    this.#work.own(path);
    this.#flags.push('--build-context', `${name}=${path}`);
    return path;
  }

  get keepers(): Pick<RenderOptions, 'folder' | 'program'> {
    return { folder: (files) => this.#keep(files), program: (text) => this.#program(text) };
  }

  #keep(files: Readonly<Record<string, string>>): string {
    const name = `here-documents-${++this.#folders}`;
    const folder = this.folder(name);
    for (const [file, text] of Object.entries(files)) this.#write(join(folder, file), text, 0o644);
    return name;
  }

  #program(text: string): string {
    const folder = join(this.#work.documents, 'programs');
    mkdirSync(folder, { recursive: true });
    // The cache knows a command by its words: they must differ where the program does.
    const name = createHash('sha256').update(text).digest('hex').slice(0, 16);
    this.#hasPrograms = true;
    this.#write(join(folder, name), text, 0o755);
    this.#work.own(folder);
    return `${PROGRAMS}/${name}`;
  }

  #write(path: string, text: string, mode: number): void {
    writeFileSync(path, text, { mode });
    utimesSync(path, 0, 0);
    this.#work.own(path);
  }
}
