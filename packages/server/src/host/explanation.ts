/**
 * Why a user is shown as online or offline, for operators: never for clients, which may not know most of it.
 * The engine explains (`core/explain.ts`); this is where a host's code finds the shapes.
 */
export type {
  ExplainedRoom,
  ExplainedSession,
  ExplainedTransition,
  ExplainedViewer,
  Explanation,
  TransitionReason,
} from '../core/index.js'
