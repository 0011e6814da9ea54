/** Fake endpoints that a test file opens and that are closed after each of its tests. */
import { afterEach } from 'vitest';
import { type Answerer, type FakeEndpoint, startFake } from './fake-endpoint.ts';

const open: FakeEndpoint[] = [];

afterEach(async () => {
  await Promise.all(open.splice(0).map((fake) => fake.close()));
});

/** To be imported by the test file itself: a module is run once for each of them. */
export async function openFake(answer: Answerer): Promise<FakeEndpoint> {
  const fake = await startFake(answer);
  open.push(fake);
  return fake;
}
