// Runs cdk-nag's rule packs over rendered templates: node nag.mjs TEMPLATE.json …
// Prints one JSON list of findings. What is suppressed is decided by the caller, from the template's metadata.
import { basename } from 'node:path';
import { App, Stack } from 'aws-cdk-lib';
import { CfnInclude } from 'aws-cdk-lib/cloudformation-include';
import { AwsSolutionsChecks, HIPAASecurityChecks, NIST80053R5Checks, PCIDSS321Checks } from 'cdk-nag';

const findings = [];
for (const templateFile of process.argv.slice(2)) {
  for (const Pack of [AwsSolutionsChecks, HIPAASecurityChecks, NIST80053R5Checks, PCIDSS321Checks]) {
    const app = new App();
    const stack = new Stack(app, 'Stack');
    new CfnInclude(stack, 'Template', { templateFile });
    const report = new Pack(app).validateScope(app);
    for (const { ruleName, description, violatingResources } of report.violations) {
      for (const { resourceLogicalId, constructPath } of violatingResources) {
        findings.push({
          template: basename(templateFile),
          rule: ruleName,
          resource: resourceLogicalId ?? constructPath.split('/').at(-1),
          says: description,
        });
      }
    }
  }
}
console.log(JSON.stringify(findings));
