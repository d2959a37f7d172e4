/** SHA-256 of a text, the digest that the pure rules of assignment and barrier take as an argument. */

import { createHash } from 'node:crypto';
import type { TextDigest } from '@celium/domain';

export const sha256: TextDigest = (text) => createHash('sha256').update(text, 'utf8').digest();
