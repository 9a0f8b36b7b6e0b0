import type { Store } from "../../site/schema.ts";
import type { RcloneStore } from "./rclone.ts";

type AzureBlobStore = Extract<Store, { kind: "azure-blob" }>;

/** A container of Azure's blob storage. `token` is the reader's shared access signature. */
export function azureBlobStore(store: AzureBlobStore, token: string): RcloneStore {
  const { name, container, path } = store;
  return {
    name,
    remote: {
      environment: {
        RCLONE_CONFIG_STORE_TYPE: "azureblob",
        RCLONE_CONFIG_STORE_SAS_URL: `${container}?${token.replace(/^\?/, "")}`,
      },
      path: `store:${containerName(container)}/${path}/`,
    },
    noFolder: {
      why: `there is no container ${container}`,
      next: "correct the store in site.yaml, or see that the reader's token may list the container and read its blobs",
    },
    place: `azure-blob ${container} ${path}`,
  };
}

/** The last part of a container's URL. */
export function containerName(container: string): string {
  return container.slice(container.lastIndexOf("/") + 1);
}
