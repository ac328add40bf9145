import type { BuildEvent, BuildPlan } from '../../engine/builds.ts';
import { shortId } from '../../model/network.ts';

/** What Docker's classic builder says of a build. */
export class ClassicWords {
  readonly #plan: BuildPlan;
  readonly #placeId: string;
  readonly #say: (text: string) => void;
  #told = 0;

  /** @param placeId shown in place of a container's */
  constructor(plan: BuildPlan, placeId: string, say: (text: string) => void) {
    this.#plan = plan;
    this.#placeId = placeId;
    this.#say = say;
  }

  tell(event: BuildEvent): void {
    for (const text of this.#words(event)) this.#say(text);
  }

  *#words(event: BuildEvent): Generator<string> {
    if (event.kind === 'argument') yield* this.#step(event.step.text);
    else if (event.kind === 'step') {
      if (event.step !== undefined) yield* this.#step(event.step.text);
      if (event.base !== undefined) yield ` ---> ${shortId(event.base)}\n`;
    } else if (event.kind === 'triggers') {
      yield `# Executing ${event.count} build trigger${event.count === 1 ? '' : 's'}\n`;
    } else if (event.kind === 'running') yield ` ---> Running in ${shortId(this.#placeId)}\n`;
    else if (event.kind === 'output') yield event.text;
    else if (event.kind === 'ran') yield ` ---> Removed intermediate container ${shortId(this.#placeId)}\n`;
    else if (event.kind === 'cached') yield ' ---> Using cache\n';
    else if (event.kind === 'made') yield ` ---> ${shortId(event.id)}\n`;
    else yield `[Warning] One or more build-args [${event.names}] were not consumed\n`;
  }

  /** In two pieces: what follows a step's text may take its time. */
  *#step(text: string): Generator<string> {
    this.#told++;
    yield `Step ${this.#told}/${this.#plan.total} : ${text}`;
    yield '\n';
  }
}

/** What it says when the image is there. @param id "sha256:…" */
export function classicEnd(id: string, names: readonly string[]): string[] {
  const built = `Successfully built ${id.slice('sha256:'.length, 'sha256:'.length + 12)}\n`;
  return [built, ...names.map((name) => `Successfully tagged ${name}\n`)];
}
