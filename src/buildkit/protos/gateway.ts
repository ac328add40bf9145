import { boolean, message, nested, type OutputOf, repeated, string, stringMap } from '../../grpc/protobuf.ts';
import { unary } from '../../grpc/service.ts';
import { WorkerRecord } from './control.ts';
import { Definition } from './definition.ts';
import { Status } from './status.ts';

/* github.com/moby/buildkit: frontend/gateway/pb/gateway.proto, util/apicaps/pb/caps.proto. */

const Empty = message({});
const Capability = message({ id: string(1), enabled: boolean(2) });

const Ref = message({ id: string(1), definition: nested(2, Definition) });
const Result = message({ ref: nested(3, Ref), refs: nested(4, Empty) });

const SolveRequest = message({
  /** Present for what is no frontend's: its content is not looked at */
  definition: nested(1, Empty),
  frontend: string(2),
  frontendOptions: stringMap(3),
  /** Results of other builds, by the names options have for them */
  frontendInputs: repeated(13, message({ key: string(1), value: nested(2, Definition) })),
  evaluate: boolean(14),
});
export type GatewaySolveRequest = OutputOf<typeof SolveRequest>;

const ReturnRequest = message({ result: nested(1, Result), error: nested(2, Status) });
export type ReturnRequest = OutputOf<typeof ReturnRequest>;

export const gatewayService = {
  name: 'moby.buildkit.v1.frontend.LLBBridge',
  unary: {
    ping: unary(
      'Ping',
      Empty,
      message({ frontendCapabilities: repeated(1, Capability), workers: repeated(3, WorkerRecord) }),
    ),
    solve: unary('Solve', SolveRequest, message({ result: nested(3, Result) })),
    evaluate: unary('Evaluate', message({ ref: string(1) }), Empty),
    return: unary('Return', ReturnRequest, Empty),
  },
} as const;
