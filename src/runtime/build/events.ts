import type { Instruction } from './dockerfile.ts';

/** What a build does, as it does it: words for it are its listener's. */
export type BuildEvent =
  /** An ARG before the first stage */
  | { readonly kind: 'argument'; readonly step: Instruction }
  | {
      readonly kind: 'step';
      /** Of the plan's */
      readonly stage: number;
      /** Undefined: a trigger of the base, or a label that stands in no Dockerfile */
      readonly step: Instruction | undefined;
      /** Of a FROM: the image's id in hexadecimal digits; '': there is none */
      readonly base: string | undefined;
    }
  /** What the base has brought as ONBUILD follows */
  | { readonly kind: 'triggers'; readonly count: number }
  /** The step's command runs; told no later than its first output */
  | { readonly kind: 'running' }
  | { readonly kind: 'output'; readonly text: string }
  | { readonly kind: 'ran' }
  /** What the step makes is there already */
  | { readonly kind: 'cached' }
  /** The step is done. The image: 64 hexadecimal digits */
  | { readonly kind: 'made'; readonly id: string }
  /** Names of build arguments, as buildah lists them */
  | { readonly kind: 'unused'; readonly names: string };
