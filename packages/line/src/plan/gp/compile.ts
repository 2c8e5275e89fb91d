import { aid } from "@persoline/card/bytes";
import {
  CARD_STATES,
  deleteObject,
  installForInstall,
  installForLoad,
  installParameters,
  loadBlocks,
  setStatus,
} from "@persoline/card/globalplatform";
import type { CardProgram, Segment, Step } from "@persoline/card/program";
import type { CompiledProduct } from "../types.js";
import { chipNumber, pageSize } from "../commands.js";
import { cardState, exactly, keyInformation, noReceipt, productionData, select, stepOf } from "./commands.js";
import type { GpApplication, GpChannel, GpProduct } from "./model.js";
import { planPayment, type PaymentPlan } from "./payment/plan.js";
import { directorySteps, selectedDirectory } from "./payment/steps.js";
import type { Scheme } from "./payment/scheme.js";

/** What `compileGp` gives and `prepareGp` fills in. */
export interface PlannedGp extends CompiledProduct {
  readonly product: GpProduct;
  readonly termination: CardProgram;
  readonly terminationInitial: CardProgram;
  readonly payment?: PaymentPlan;
}

/** Most plain bytes of a command under any channel: MAC and padding fit beside them. */
export const mostData = ({ protocol, ...channel }: GpChannel): number =>
  protocol === "scp03" && "i" in channel && ((channel.i ?? 0) & 0x01) !== 0 ? 223 : 239;

/** Builds once what all cards of a product share. Pure. `loadFiles` by application name; `scheme` of its payment application. */
export function compileGp(
  product: GpProduct,
  loadFiles: ReadonlyMap<string, Uint8Array>,
  scheme?: Scheme,
): PlannedGp {
  const { initial, channel } = product;
  const payment = planPayment(product, scheme);
  return {
    name: product.name,
    product,
    columns: product.columns,
    pins: [product.pin, payment?.pin].filter((pin) => pin !== undefined),
    atr: product.atr,
    test: test(product),
    // Its operating system is in the mask: there is nothing to complete.
    completion: { name: `${product.name}/completion`, segments: [] },
    initialisation: initialise(product, loadFiles, payment),
    termination: terminate(product, "termination", channel),
    terminationInitial: terminate(product, "termination-initial", initial),
    ...(payment === undefined ? {} : { payment }),
  };
}

/** Who the chip is, and that nobody's keys are in it yet; nothing is written. */
function test({ name, initialKeys }: GpProduct): CardProgram {
  const untouched = keyInformation(initialKeys, "the card has its initial keys, and no others");
  return {
    name: `${name}/test`,
    segments: [
      {
        name: "identify the chip",
        channel: "plain",
        steps: [chipNumber(), productionData(), { ...untouched, reject: "foreign-card" }],
      },
    ],
  };
}

/** All applications in one session. Each begins with taking away what an interrupted run may have left of it. */
function initialise(
  product: GpProduct,
  loadFiles: ReadonlyMap<string, Uint8Array>,
  payment: PaymentPlan | undefined,
): CardProgram {
  const { name, applications, initial, isd } = product;
  const filled = (one: GpApplication): readonly Step[] =>
    payment === undefined || one.directory === undefined
      ? []
      : directorySteps(one, payment.profile, mostData(initial));
  return {
    name: `${name}/initialisation`,
    segments: [
      {
        name: "install the applications",
        channel: initial,
        steps: [
          ...cardState("initialized", isd),
          ...applications.flatMap((one) => [
            ...installSteps(one, loadFiles.get(one.name), initial),
            ...filled(one),
          ]),
        ],
        // Asked whether they are there, the last of several answers that is leaves an application selected.
        ...(applications.length > 1 ? { before: [select(isd, "the security domain")] } : {}),
        // The security domain is selected again: whoever goes on speaks to it.
        done: [
          ...applications.map((one) =>
            payment === undefined || one.directory === undefined
              ? select(one.aid, `application ${one.name}: is it installed?`)
              : selectedDirectory(one, payment.profile),
          ),
          select(isd, "the security domain again"),
        ],
      },
    ],
  };
}

function installSteps(app: GpApplication, loadFile: Uint8Array | undefined, channel: GpChannel): Step[] {
  const gone = loadFile === undefined ? app.aid : app.package;
  const blocks = loadFile === undefined ? [] : loadBlocks(loadFile, mostData(channel));
  const clause = "GlobalPlatform 2.3.1 11.5, INSTALL";
  const parameters = installParameters(
    app.parameters,
    app.memory === undefined ? {} : { nonVolatileData: app.memory },
  );
  const what = loadFile === undefined ? `application ${app.name}` : `package of ${app.name}`;
  return [
    takenAway(gone, loadFile !== undefined, what),
    ...(loadFile === undefined
      ? []
      : [
          stepOf(installForLoad({ loadFile: aid(app.package) }), {
            why: `announce the load file of ${app.name}, ${loadFile.length} bytes`,
            clause,
            ...noReceipt,
            changes: true,
          }),
          ...blocks.map((block, at) =>
            stepOf(
              block,
              {
                why: `load block ${at + 1} of ${blocks.length}`,
                clause: "GlobalPlatform 2.3.1 11.6, LOAD",
                ...noReceipt,
              },
              Math.ceil((block.data?.length ?? 0) / pageSize),
            ),
          ),
        ]),
    stepOf(
      installForInstall({
        loadFile: aid(app.package),
        module: aid(app.module),
        application: aid(app.aid),
        privileges: app.privileges,
        parameters,
      }),
      { why: `install application ${app.name} and make it selectable`, clause, ...noReceipt },
      4,
    ),
  ];
}

/** DELETE answers one byte, or that there is nothing. */
function takenAway(gone: Uint8Array, related: boolean, what: string): Step {
  const step = stepOf(deleteObject({ aid: aid(gone), related }), {
    why: `take away what an interrupted run left of the ${what} (6A88: nothing)`,
    clause: "GlobalPlatform 2.3.1 11.2, DELETE",
    sw: exactly(0x9000, 0x6a88),
    changes: true,
  });
  return { ...step, cost: { pages: 0, answer: 0 } };
}

function terminate(product: GpProduct, name: string, channel: GpChannel): CardProgram {
  const { isd } = product;
  const segment: Segment = {
    name: "terminate",
    channel,
    steps: [
      stepOf(
        setStatus({ of: "isd", state: CARD_STATES.terminated, aid: aid(isd) }),
        { why: "terminate the card for ever", clause: "GlobalPlatform 2.3.1 5.1.1.5 and 11.10, SET STATUS" },
        4,
      ),
    ],
    done: [{ ...select(isd, "the security domain: a terminated card refuses"), sw: exactly(0x6985) }],
  };
  return { name: `${product.name}/${name}`, segments: [segment] };
}
