import * as pulumi from "@pulumi/pulumi";
import type { RegisterResourceRequest } from "@pulumi/pulumi/proto/resource_pb.js";

/** A resource as the engine was asked for it. */
export interface Declared {
  type: string;
  name: string;
  inputs: Record<string, unknown>;
  /** The options that are set: everything else is as the engine has it by itself. */
  options: Record<string, unknown>;
}

/** The part of a registration that says what the engine does with the resource. */
function optionsOf(request: RegisterResourceRequest): Record<string, unknown> {
  const { beforeCreateList = [], afterCreateList = [], ...otherHooks } = request.getHooks()?.toObject() ?? {};
  const nameOf = (urn: string) => urn.split("::").at(-1);
  const all = {
    parent: nameOf(request.getParent()),
    dependsOn: request.getDependenciesList().map(nameOf).sort(),
    ignoreChanges: request.getIgnorechangesList(),
    replaceOnChanges: request.getReplaceonchangesList(),
    additionalSecretOutputs: request.getAdditionalsecretoutputsList().sort(),
    beforeCreate: beforeCreateList,
    afterCreate: afterCreateList,
    otherHooks: Object.values(otherHooks).flat(),
    replaceWith: request.getReplaceWithList(),
    deleteBeforeReplace: request.getDeletebeforereplace(),
    deletedWith: request.getDeletedwith(),
    protect: request.getProtect() ?? false,
    retainOnDelete: request.getRetainondelete() ?? false,
    import: request.getImportid(),
    aliases: request.getAliasesList().map((alias) => alias.toObject()),
    customTimeouts: Object.values(request.getCustomtimeouts()?.toObject() ?? {}).join(""),
  };
  const isSet = (value: unknown) => (Array.isArray(value) ? value.length > 0 : Boolean(value));
  return Object.fromEntries(Object.entries(all).filter(([, value]) => isSet(value)));
}

export interface RecordingEngine {
  /** In the order in which they came. */
  declared: Declared[];
  /** What the engine would call before or after a resource is made, by name. */
  hooks: Map<string, pulumi.ResourceHook>;
  /** For a component: sees the hooks of all that it declares. */
  transformations: pulumi.ResourceTransformation[];
  /** Resolves when all that was declared has arrived. */
  settled(): Promise<void>;
}

/**
 * Stands in for the engine: keeps what is declared, exactly as it would reach the engine, and makes nothing. A type that is not
 * among `types`, a function call whose answer is not among `answers`, and, unless it is `adopting`, what exists already are errors.
 */
export async function recordingEngine(
  types: readonly string[],
  {
    stack = "stack",
    preview = false,
    answers = {},
    adopting = false,
  }: {
    stack?: string;
    preview?: boolean;
    answers?: Record<string, Record<string, unknown>>;
    adopting?: boolean;
  } = {},
): Promise<RecordingEngine> {
  const requests: RegisterResourceRequest[] = [];
  const inputs = new Map<string, Record<string, unknown>>();
  const hooks = new Map<string, pulumi.ResourceHook>();
  await pulumi.runtime.setMocks(
    {
      call: ({ token }) => {
        const answer = answers[token];
        if (answer === undefined) throw new Error(`undeclared call: ${token}`);
        return answer;
      },
      newResource: ({ type, name, inputs: given, custom, id }) => {
        if (!types.includes(type) || (custom === true && id && !adopting)) {
          throw new Error(`undeclared resource: ${type} ${name}`);
        }
        inputs.set(`${type} ${name}`, given as Record<string, unknown>);
        return { id: custom === true ? `${name}-id` : undefined, state: given as Record<string, unknown> };
      },
    },
    "recovery-stack",
    stack,
    preview,
  );
  // The SDK's mocks keep no options and know no hooks; what passes through them on its way to the engine has both.
  const monitor = pulumi.runtime.getMonitor() as unknown as {
    registerResource: (request: RegisterResourceRequest, callback: unknown) => Promise<void>;
    registerResourceHook: (request: unknown, callback: (error: Error | null) => void) => void;
  };
  const register = monitor.registerResource.bind(monitor);
  monitor.registerResource = (request, callback) => {
    requests.push(request);
    return register(request, callback);
  };
  monitor.registerResourceHook = (_request, callback) => {
    callback(null);
  };
  return {
    get declared() {
      return requests.map((request) => {
        const [type, name] = [request.getType(), request.getName()];
        return { type, name, inputs: inputs.get(`${type} ${name}`) ?? {}, options: optionsOf(request) };
      });
    },
    hooks,
    transformations: [
      ({ opts }) => {
        for (const hook of Object.values(opts.hooks ?? {}).flat() as unknown[]) {
          if (pulumi.ResourceHook.isInstance(hook)) hooks.set(hook.name, hook);
        }
        return undefined;
      },
    ],
    settled: () => pulumi.runtime.disconnect(),
  };
}
