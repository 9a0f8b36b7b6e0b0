import { expect, test } from "vitest";
import * as pulumi from "@pulumi/pulumi";
import { OffsiteContainer } from "../../../components/offsite-container.ts";
import { containerDocuments } from "../../../offsite/container-documents.ts";
import { declaredContainer } from "../offsite/declared-site.ts";
import { recordingEngine } from "./recording-engine.ts";

const component = "recovery-stack:index:OffsiteContainer";
const types = {
  account: "azure-native:storage:StorageAccount",
  service: "azure-native:storage:BlobServiceProperties",
  container: "azure-native:storage:BlobContainer",
  rules: "azure-native:storage:ManagementPolicy",
  lock: "azure-native:authorization:ManagementLockByScope",
};

const { site, store } = declaredContainer();
const documents = containerDocuments(site, store);

test("a container is declared as exactly these resources, which outlive the stack", async () => {
  const engine = await recordingEngine([component, ...Object.values(types)]);
  const { account, container } = new OffsiteContainer("container", documents);
  const told = await new Promise((resolve) => {
    pulumi.output({ account, container }).apply(resolve);
  });
  await engine.settled();
  // The vendor's SDK knows what each was called before.
  const declared = engine.declared.map(({ options, ...rest }) => ({
    ...rest,
    options: Object.fromEntries(Object.entries(options).filter(([option]) => option !== "aliases")),
  }));
  const kept = { parent: "container", protect: true, retainOnDelete: true };
  const within = { ...kept, dependsOn: ["container"] };
  const { account: made, service, container: blobs, rules } = documents;
  const at = { resourceGroupName: "club", accountName: "photoclub" };
  const lock = {
    scope: "container-id",
    lockName: "backups",
    level: "CanNotDelete",
    notes: "It holds backups.",
  };
  expect(declared).toEqual(
    expect.arrayContaining([
      { type: component, name: "container", inputs: {}, options: {} },
      {
        type: types.account,
        name: "container",
        inputs: { resourceGroupName: "club", ...made },
        options: kept,
      },
      {
        type: types.service,
        name: "container-service",
        inputs: { ...at, blobServicesName: "default", ...service },
        options: within,
      },
      { type: types.container, name: "container-container", inputs: { ...at, ...blobs }, options: within },
      {
        type: types.rules,
        name: "container-rules",
        inputs: { ...at, managementPolicyName: "default", policy: { rules } },
        options: { ...kept, dependsOn: ["container-service"] },
      },
      { type: types.lock, name: "container-lock", inputs: lock, options: within },
    ]),
  );
  expect(declared).toHaveLength(6);
  expect(told).toEqual({ account: "photoclub", container: "backups" });
});
