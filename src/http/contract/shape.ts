/** How answers are described once: as schemas that are held to the types of the views which make them. */
import type { z } from 'zod';

/**
 * What the schema of a view must name: each of its fields and no other, with values that the field may have. A field
 * that is added to a view and not to its schema, or the other way round, does not compile (`satisfies Shape<View>`).
 */
export type Shape<View> = {
  readonly [Field in keyof Required<View>]: Record<never, never> extends Pick<View, Field & keyof View>
    ? z.ZodType<View[Field & keyof View] | undefined>
    : z.ZodType<View[Field & keyof View]>;
};
