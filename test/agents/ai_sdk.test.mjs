// SPDX-License-Identifier: Apache-2.0
// Vercel's AI SDK with each of its providers and each kind of runtime; test_ai_sdk.py starts it. MOCKS has the address of
// each kind's mock, whose name is a model of the gateway.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import path from 'node:path';
import test from 'node:test';

const load = createRequire(path.join(process.env.NODE_PATH.split(path.delimiter)[0], 'package.json'));
const { APICallError, Output, embedMany, generateText, stepCountIs, streamText, tool } = load('ai');
const { createOpenAI } = load('@ai-sdk/openai');
const { createAnthropic } = load('@ai-sdk/anthropic');
const { createOpenAICompatible } = load('@ai-sdk/openai-compatible');
const { z } = load('zod');

const { GATE, KEY } = process.env;
const MOCKS = JSON.parse(process.env.MOCKS);
const EMBED = JSON.parse(process.env.EMBED);
const baseURL = `${GATE}/v1`;

const openai = createOpenAI({ baseURL, apiKey: KEY });
const anthropic = createAnthropic({ baseURL, apiKey: KEY });
const compatible = createOpenAICompatible({ name: 'hostler', baseURL, apiKey: KEY, includeUsage: true, supportsStructuredOutputs: true });
const providers = {
  'openai-responses': (id) => openai(id),
  'openai-chat': (id) => openai.chat(id),
  anthropic: (id) => anthropic(id),
  'openai-compatible': (id) => compatible(id),
};

async function post(kind, target, body) {
  const answer = await fetch(`${MOCKS[kind]}${target}`, { method: 'POST', body: JSON.stringify(body) });
  assert.equal(answer.status, 200, await answer.text());
}

async function script(kind, ...turns) {
  await post(kind, '/mock/reset', {});
  await post(kind, '/mock/script', turns.map((turn) => (typeof turn === 'string' ? { say: turn } : turn)));
}

async function last(kind) {
  const answer = await fetch(`${MOCKS[kind]}/mock/requests`);
  return (await answer.json()).requests.at(-1).body;
}

const add = tool({
  description: 'adds', inputSchema: z.object({ a: z.number(), b: z.number() }), execute: async ({ a, b }) => `sum=${a + b}`,
});
const call = (id, a, b) => ({ call: { id, name: 'add', arguments: { a, b } } });
const ask = { prompt: 'hello', maxRetries: 0 };

const scenarios = {
  async generate(model, kind) {
    await script(kind, { say: 'Hi, you.', usage: { prompt_tokens: 20, completion_tokens: 4 } });
    const { text, usage, finishReason } = await generateText({ model: model(kind), instructions: 'Be short.', ...ask });
    assert.deepEqual([text, finishReason, usage.inputTokens, usage.outputTokens], ['Hi, you.', 'stop', 20, 4]);
    assert.match(await last(kind), /Be short\./);
  },

  async stream(model, kind) {
    await script(kind, { say: 'One two three.', usage: { prompt_tokens: 20, completion_tokens: 4 } });
    const result = streamText({ model: model(kind), ...ask });
    const pieces = [];
    for await (const piece of result.textStream) pieces.push(piece);
    assert.equal(pieces.join(''), 'One two three.');
    assert.ok(pieces.length > 1);
    assert.equal((await result.usage).outputTokens, 4);
  },

  async tools(model, kind) {
    await script(kind, { say: ['I add. ', call('call_1', 40, 2), call('call_2', 1, 2)] }, 'It is 42 and 3.');
    const { text, steps } = await generateText({ model: model(kind), tools: { add }, stopWhen: stepCountIs(4), ...ask });
    assert.equal(text, 'It is 42 and 3.');
    assert.deepEqual(steps[0].toolResults.map((r) => r.output), ['sum=42', 'sum=3']);
    assert.match(await last(kind), /sum=42.*sum=3/s);
  },

  async 'tools streamed'(model, kind) {
    await script(kind, { say: [{ reasoning: 'I compute. ' }, { signature: 'c2ln' }, call('call_1', 40, 2)] }, 'It is 42.');
    const result = streamText({ model: model(kind), tools: { add }, stopWhen: stepCountIs(4), ...ask });
    const seen = [];
    for await (const part of result.fullStream) seen.push(part.type);
    assert.ok(seen.includes('tool-call') && seen.includes('tool-result'), seen.join());
    const shows = ['anthropic', 'hostler'].some((name) => model(kind).provider.startsWith(name)); // the others know OpenAI's only
    if (shows) assert.ok(seen.includes('reasoning-delta'), seen.join());
    assert.equal(await result.text, 'It is 42.');
  },

  async object(model, kind) {
    await script(kind, '{"n": 2}');
    const { output } = await generateText({ model: model(kind), output: Output.object({ schema: z.object({ n: z.number() }) }), ...ask });
    assert.deepEqual(output, { n: 2 });
  },

  async errors(model, kind) {
    const refused = (status) => (error) => {
      assert.ok(APICallError.isInstance(error), String(error));
      assert.equal(error.statusCode, status);
      return true;
    };
    await assert.rejects(generateText({ model: model('none'), ...ask }), refused(404));
    await script(kind, { knobs: { status: 429 } });
    await assert.rejects(generateText({ model: model(kind), ...ask }), refused(429));
  },

  async broken(model, kind) {
    for (const how of [{ die_after: 2 }, { error_after: 2 }]) {
      await script(kind, { knobs: { tokens: 9, ...how } });
      const result = streamText({ model: model(kind), onError() {}, ...ask });
      let failed = false;
      for await (const part of result.fullStream) failed ||= part.type === 'error';
      assert.ok(failed, JSON.stringify(how));
    }
  },
};

for (const [provider, model] of Object.entries(providers)) {
  for (const kind of Object.keys(MOCKS)) {
    for (const [name, run] of Object.entries(scenarios)) test(`${provider} ${kind} ${name}`, { timeout: 30000 }, () => run(model, kind));
  }
}

for (const kind of EMBED) {
  test(`embeddings ${kind}`, async () => {
    for (const provider of [openai, compatible]) {
      const { embeddings } = await embedMany({ model: provider.embeddingModel(kind), values: ['a', 'b'], maxRetries: 0 });
      assert.deepEqual(embeddings.map((e) => e.length), [8, 8]);
    }
  });
}
