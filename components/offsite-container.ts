import { ManagementLockByScope } from "@pulumi/azure-native/authorization/managementLockByScope.js";
import { BlobContainer } from "@pulumi/azure-native/storage/blobContainer.js";
import { BlobServiceProperties } from "@pulumi/azure-native/storage/blobServiceProperties.js";
import { ManagementPolicy } from "@pulumi/azure-native/storage/managementPolicy.js";
import { StorageAccount } from "@pulumi/azure-native/storage/storageAccount.js";
import * as pulumi from "@pulumi/pulumi";
import type { ContainerDocuments } from "../offsite/container-documents.ts";

/**
 * A container of Azure's, in an account of its own, that keeps backups and lets nobody remove them. It makes no signature: one made here would lie
 * in Pulumi's state for ever. The account outlives the stack.
 */
export class OffsiteContainer extends pulumi.ComponentResource {
  /** What the account is called, once it is there. */
  readonly account: pulumi.Output<string>;
  readonly container: pulumi.Output<string>;

  constructor(name: string, documents: ContainerDocuments, options?: pulumi.ComponentResourceOptions) {
    super("recovery-stack:index:OffsiteContainer", name, {}, options);
    const kept = { parent: this, protect: true, retainOnDelete: true };
    const { resourceGroup: resourceGroupName, service, container, rules } = documents;
    const account = new StorageAccount(name, { resourceGroupName, ...documents.account }, kept);
    const { accountName } = documents.account;
    const at = { resourceGroupName, accountName };
    const within = { ...kept, dependsOn: account };
    const versioned = new BlobServiceProperties(
      `${name}-service`,
      { ...at, blobServicesName: "default", ...service },
      within,
    );
    const made = new BlobContainer(`${name}-container`, { ...at, ...container }, within);
    // Rules about versions are taken once versions are kept.
    new ManagementPolicy(
      `${name}-rules`,
      { ...at, managementPolicyName: "default", policy: { rules } },
      { ...kept, dependsOn: versioned },
    );
    new ManagementLockByScope(
      `${name}-lock`,
      { scope: account.id, lockName: "backups", level: "CanNotDelete", notes: "It holds backups." },
      kept,
    );
    this.account = account.id.apply(() => accountName);
    this.container = made.id.apply(() => container.containerName);
    this.registerOutputs({ account: this.account, container: this.container });
  }
}
