/** What simulators, benchmarks and tests use of the agent: its handlers with every port as an argument. */
export * from './clock.ts';
export * from './leases/lease-desk.ts';
export * from './pods/plain-profile.ts';
export * from './pods/pod-engine.ts';
export * from './reconciler/plan.ts';
export * from './reconciler/reconciler.ts';
export * from './store/lease-record.ts';
export * from './store/lease-store.ts';
