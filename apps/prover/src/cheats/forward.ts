/** A prover for tests that does nothing itself: it hands the stream on to whoever listens at a socket in the tools folder. */
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';

if (process.stdin.isTTY) process.stdin.setRawMode(true);
const away = connect(fileURLToPath(new URL('away.sock', import.meta.url)));
const end = (): never => process.exit(0);
process.stdin.pipe(away).pipe(process.stdout);
away.on('close', end).on('error', end);
