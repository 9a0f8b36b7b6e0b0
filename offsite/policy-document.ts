/** A policy as S3 and IAM read it (version 2012-10-17). */
export interface PolicyDocument {
  Version: "2012-10-17";
  Statement: PolicyStatement[];
}

export interface PolicyStatement {
  Sid: string;
  Effect: "Allow" | "Deny";
  /** Of a bucket's policy alone. */
  Principal?: "*" | { AWS: string };
  Action: string[];
  Resource?: string[];
  Condition?: Record<string, Record<string, string>>;
}

export function policy(...statements: PolicyStatement[]): PolicyDocument {
  return { Version: "2012-10-17", Statement: statements };
}
