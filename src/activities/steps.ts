/** All steps of runs and comparisons, given the services: the implementation of the contract in `orchestrations/steps.ts`. */
import type { StepHandlers } from '../orchestrations/steps.ts';
import type { Services } from '../services.ts';
import { admitStep } from './admit.ts';
import { aggregateStep } from './aggregate.ts';
import { comparisonSteps } from './compare.ts';
import { deploySteps } from './deploy.ts';
import { deploySettingsStep } from './deploy-settings.ts';
import { finishRunStep } from './finish-run.ts';
import { measureCellStep } from './measure-cell.ts';
import { planMeasuringStep } from './plan-measuring.ts';
import { releaseSteps } from './release.ts';
import { saveCellStep } from './save-cell.ts';
import { startRunStep } from './start-run.ts';
import { warmUpStep } from './warm-up.ts';

export function createSteps(services: Services): StepHandlers {
  return {
    ...admitStep(services),
    ...startRunStep(services),
    ...deploySteps(services),
    ...deploySettingsStep(services),
    ...warmUpStep(services),
    ...planMeasuringStep(services),
    ...measureCellStep(services),
    ...saveCellStep(services),
    ...aggregateStep(services),
    ...releaseSteps(services),
    ...finishRunStep(services),
    ...comparisonSteps(services),
  };
}
