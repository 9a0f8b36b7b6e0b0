import { expect, test } from "vitest";
import * as pulumi from "@pulumi/pulumi";
import { OffsiteContainer } from "../../../components/offsite-container.ts";
import type { ContainerDocuments } from "../../../offsite/container-documents.ts";
import { recordingEngine } from "./recording-engine.ts";

const component = "recovery-stack:index:OffsiteContainer";
const types = {
  account: "azure-native:storage:StorageAccount",
  service: "azure-native:storage:BlobServiceProperties",
  container: "azure-native:storage:BlobContainer",
  rules: "azure-native:storage:ManagementPolicy",
  lock: "azure-native:authorization:ManagementLockByScope",
};

const documents: ContainerDocuments = {
  resourceGroup: "club",
  account: {
    accountName: "photoclub",
    location: "westeurope",
    kind: "StorageV2",
    sku: { name: "Standard_ZRS" },
    minimumTlsVersion: "TLS1_2",
    enableHttpsTrafficOnly: true,
    allowBlobPublicAccess: false,
    allowCrossTenantReplication: false,
    allowSharedKeyAccess: true,
    immutableStorageWithVersioning: {
      enabled: true,
      immutabilityPolicy: {
        state: "Unlocked",
        immutabilityPeriodSinceCreationInDays: 365,
        allowProtectedAppendWrites: false,
      },
    },
  },
  service: {
    isVersioningEnabled: true,
    deleteRetentionPolicy: { enabled: true, days: 7 },
    containerDeleteRetentionPolicy: { enabled: true, days: 7 },
  },
  container: { containerName: "backups", publicAccess: "None" },
  rules: [
    {
      name: "hourly",
      type: "Lifecycle",
      enabled: true,
      definition: {
        filters: { blobTypes: ["blockBlob"], prefixMatch: ["backups/club/hourly/"] },
        actions: {
          baseBlob: { delete: { daysAfterCreationGreaterThan: 365 } },
          version: { delete: { daysAfterCreationGreaterThan: 365 } },
        },
      },
    },
  ],
};

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
