// SPDX-License-Identifier: Apache-2.0
// What the tests in Node.js share: test_node.py has started a gateway and a mock runtime and tells their addresses.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import path from 'node:path';

export const { GATE, MOCK, KEY, FEW } = process.env;
export const load = createRequire(path.join(process.env.NODE_PATH, 'package.json'));

export async function ask(target, body) {
  const answer = await fetch(`${MOCK}${target}`, body ? { method: 'POST', body: JSON.stringify(body) } : {});
  return answer.json();
}

export const script = (...turns) => ask('/mock/script', turns.map((turn) => (typeof turn === 'string' ? { say: turn } : turn)));

export async function lastBody() {
  const { requests } = await ask('/mock/requests');
  return JSON.parse(requests.at(-1).body);
}

export async function until(look, what) {
  const end = Date.now() + 15000;
  for (;;) {
    const seen = await look();
    if (seen) return seen;
    assert.ok(Date.now() < end, what);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

export const aborted = (count = 1) => until(async () => (await ask('/mock/stats')).aborted === count, 'the runtime sees it');
