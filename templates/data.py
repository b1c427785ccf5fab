"""The data layer: RDS MySQL that takes TLS only, its logs, events and backups, and the way in for the app."""

from troposphere import (
    AWSHelperFn,
    Ref,
    Sub,
    Template,
    backup,
    logs,
    rds,
)

from templates import aws_versions, keys, network, security_groups
from templates.bootstrap import add_bootstrap
from templates.database_proxy import add_proxy
from templates.deployment import MASTER_USER, SCHEMA, Deployment
from templates.policies import add_role
from templates.policies.resource import assumed_by
from templates.shared import LayerOutput, new_template, suppress, suppress_in_packs, tags

LAYER = "data"

DATABASE_HOST = LayerOutput(LAYER, "DatabaseHost")
PROXY_HOST = LayerOutput(LAYER, "ProxyHost")
"""Only with a proxy. The two are apart because the application changes over while it uses one of them."""
RESOURCE_ID = LayerOutput(LAYER, "ResourceId")
"""The database's resource id, by which `rds-db:connect` names it."""

_LOGS = ("audit", "error", "general", "slowquery")
"""What is exported. The general log stays off and its group empty: it would hold every statement's values."""
# Logins only, for the same reason; `rdsadmin` is RDS itself, which logs in once a second.
# https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Appendix.MySQL.Options.AuditPlugin.html
_AUDIT = {"SERVER_AUDIT_EVENTS": "CONNECT", "SERVER_AUDIT_EXCL_USERS": "rdsadmin"}
_PARAMETERS = {
    "require_secure_transport": "1",  # RDS's default is OFF
    "tls_version": "TLSv1.2,TLSv1.3",
    "log_output": "FILE",  # only files are exported
    "slow_query_log": "1",
    "long_query_time": "2",
    "local_infile": "0",
}


def build(deployment: Deployment) -> Template:
    """Return the template of the database and of what it needs to be looked after."""
    template = new_template(deployment, LAYER, "RDS MySQL with its logs, events and backups")
    groups = _add_logs(template, deployment)
    database = _add_database(template, deployment, depends_on=groups)
    _add_events(template, deployment, database)
    if deployment.database.backup_plan:
        _add_backups(template, deployment, database)
    bootstrap = add_bootstrap(template, deployment, LAYER, database)
    template.add_output(
        DATABASE_HOST.output(deployment, database.get_att("Endpoint.Address"), "Host of the database")
    )
    if deployment.database.mode == "proxy":
        proxy = add_proxy(template, deployment, LAYER, database, depends_on=bootstrap)
        template.add_output(
            PROXY_HOST.output(deployment, proxy.get_att("Endpoint"), "Host of the database proxy")
        )
    template.add_output(
        RESOURCE_ID.output(deployment, database.get_att("DbiResourceId"), "Resource id of the database")
    )
    return template


def _add_logs(template: Template, deployment: Deployment) -> list[str]:
    """Add the log groups before RDS would make them itself, unencrypted and for ever."""
    titles = []
    for kind in _LOGS:
        group = template.add_resource(
            logs.LogGroup(
                f"{kind.capitalize()}Logs",
                LogGroupName=f"/aws/rds/instance/{deployment.database_identifier}/{kind}",
                KmsKeyId=keys.DATA_KEY_ARN.imported(deployment),
                RetentionInDays=deployment.logs.retention_days,
                Tags=tags(deployment, LAYER, kind),
                **deployment.retention,
            )
        )
        titles.append(group.title)
    return titles


def _add_database(template: Template, deployment: Deployment, *, depends_on: list[str]) -> rds.DBInstance:
    wanted = deployment.database
    key = keys.DATA_KEY_ARN.imported(deployment)
    subnets = template.add_resource(
        rds.DBSubnetGroup(
            "SubnetGroup",
            DBSubnetGroupDescription="Isolated subnets: no route leads out",
            SubnetIds=network.DATABASE_SUBNETS.imported(deployment),
            Tags=tags(deployment, LAYER),
        )
    )
    parameters = template.add_resource(
        rds.DBParameterGroup(
            "ParameterGroup",
            Description="TLS only, slow queries logged",
            Family=aws_versions.DATABASE_PARAMETER_FAMILY.use,
            Parameters=_PARAMETERS,
            Tags=tags(deployment, LAYER),
        )
    )
    options = template.add_resource(
        rds.OptionGroup(
            "OptionGroup",
            # The last snapshot belongs to it, and RDS doesn't delete a group that a snapshot belongs to.
            DeletionPolicy="Retain",
            UpdateReplacePolicy="Retain",
            OptionGroupDescription="Logins are written to the audit log",
            EngineName="mysql",
            MajorEngineVersion=aws_versions.DATABASE_ENGINE_VERSION.use,
            OptionConfigurations=[
                rds.OptionConfiguration(
                    OptionName="MARIADB_AUDIT_PLUGIN",
                    OptionSettings=[
                        rds.OptionSetting(Name=name, Value=value) for name, value in _AUDIT.items()
                    ],
                )
            ],
            Tags=tags(deployment, LAYER),
        )
    )
    monitoring = add_role(
        template,
        "MonitoringRole",
        trust=assumed_by("monitoring.rds.amazonaws.com"),
        may=[],
        managed=[Sub("arn:${AWS::Partition}:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole")],
        description="delivers the database's metrics of the operating system",
        tags=tags(deployment, LAYER),
    )
    suppress(monitoring, "AwsSolutions-IAM4", "RDS accepts a monitoring role with this very policy only.")
    database = template.add_resource(
        rds.DBInstance(
            "Database",
            DependsOn=depends_on,
            DeletionPolicy="Snapshot",
            UpdateReplacePolicy="Snapshot",
            DBInstanceIdentifier=deployment.database_identifier,
            DBName=SCHEMA,
            Engine="mysql",
            EngineVersion=aws_versions.DATABASE_ENGINE_VERSION.use,
            EngineLifecycleSupport="open-source-rds-extended-support-disabled",
            AutoMinorVersionUpgrade=True,
            AllowMajorVersionUpgrade=False,
            DBInstanceClass=wanted.instance_class,
            AllocatedStorage=str(wanted.storage_gb),
            StorageType="gp3",
            StorageEncrypted=True,
            KmsKeyId=key,
            MultiAZ=wanted.multi_az,
            PubliclyAccessible=False,
            DBSubnetGroupName=subnets.ref(),
            VPCSecurityGroups=[security_groups.DATABASE_SECURITY_GROUP.imported(deployment)],
            DBParameterGroupName=parameters.ref(),
            OptionGroupName=options.ref(),
            Port=str(wanted.port),
            CACertificateIdentifier=aws_versions.DATABASE_CERTIFICATE_AUTHORITY.use,
            MasterUsername=MASTER_USER,
            ManageMasterUserPassword=True,
            MasterUserSecret=rds.MasterUserSecret(KmsKeyId=key),
            EnableIAMDatabaseAuthentication=True,
            BackupRetentionPeriod=wanted.backup_days,
            CopyTagsToSnapshot=True,
            DeleteAutomatedBackups=False,
            DeletionProtection=wanted.deletion_protection,
            EnableCloudwatchLogsExports=list(_LOGS),
            MonitoringInterval=30,
            MonitoringRoleArn=monitoring.get_att("Arn"),
            EnablePerformanceInsights=wanted.performance_insights,
            Tags=tags(deployment, LAYER, "database"),
        )
    )
    suppress(
        database,
        "E3691",
        "RDS takes the release series and chooses its default minor version; a pinned one would be a "
        "downgrade after the first automatic upgrade.",
    )
    if wanted.max_storage_gb:
        database.MaxAllocatedStorage = wanted.max_storage_gb
    if wanted.performance_insights:
        database.PerformanceInsightsKMSKeyId = key
    else:
        suppress(database, "CKV_AWS_353", "The deployment file leaves it out: small classes don't offer it.")
    if not wanted.multi_az:
        one_zone = "A trial, by the deployment file; production refuses one zone."
        for rule in ("CKV_AWS_157", "AwsSolutions-RDS3"):
            suppress(database, rule, one_zone)
        suppress_in_packs(database, "RDSMultiAZSupport", one_zone, "HIPAA NIST")
    if not wanted.backup_plan:
        own_backups = "A trial, by the deployment file: RDS's own backups are enough for it."
        suppress_in_packs(database, "RDSInBackupPlan", own_backups, "HIPAA NIST")
    if not wanted.deletion_protection:
        deletable = "A trial, by the deployment file; production refuses it, and a snapshot stays."
        for rule in ("CKV_AWS_293", "AwsSolutions-RDS10"):
            suppress(database, rule, deletable)
        suppress_in_packs(database, "RDSInstanceDeletionProtectionEnabled", deletable, "HIPAA NIST")
    return database


def _add_events(template: Template, deployment: Deployment, database: rds.DBInstance) -> None:
    """Tell of what happens to the instance, its parameters and its security groups (RDS.20 to RDS.22)."""
    kinds: tuple[tuple[str, str, list[str], AWSHelperFn | None], ...] = (
        (
            "Instance",
            "db-instance",
            [
                "availability",
                "configuration change",
                "deletion",
                "failover",
                "failure",
                "low storage",
                "maintenance",
                "notification",
                "recovery",
                "security",
            ],
            database.ref(),
        ),
        ("Parameter", "db-parameter-group", ["configuration change"], Ref("ParameterGroup")),
        ("SecurityGroup", "db-security-group", ["configuration change", "failure"], None),
    )
    for name, source, categories, identifier in kinds:
        template.add_resource(
            rds.EventSubscription(
                f"{name}Events",
                SnsTopicArn=keys.TOPIC_ARN.imported(deployment),
                SourceType=source,
                EventCategories=categories,
                Enabled=True,
                Tags=tags(deployment, LAYER),
                **({"SourceIds": [identifier]} if identifier else {}),
            )
        )


def _add_backups(template: Template, deployment: Deployment, database: rds.DBInstance) -> None:
    """Add daily backups of their own, kept apart from those RDS deletes with its instance (RDS.26)."""
    vault = template.add_resource(
        backup.BackupVault(
            "BackupVault",
            **deployment.retention,
            BackupVaultName=f"{deployment.name}-database",
            EncryptionKeyArn=keys.DATA_KEY_ARN.imported(deployment),
        )
    )
    plan = template.add_resource(
        backup.BackupPlan(
            "BackupPlan",
            BackupPlan=backup.BackupPlanResourceType(
                BackupPlanName=f"{deployment.name}-database",
                BackupPlanRule=[
                    backup.BackupRuleResourceType(
                        RuleName="daily",
                        TargetBackupVault=vault.ref(),
                        ScheduleExpression="cron(0 3 * * ? *)",
                        Lifecycle=backup.LifecycleResourceType(
                            DeleteAfterDays=deployment.database.backup_days
                        ),
                    )
                ],
            ),
        )
    )
    role = add_role(
        template,
        "BackupRole",
        trust=assumed_by("backup.amazonaws.com"),
        may=[],
        managed=[
            Sub("arn:${AWS::Partition}:iam::aws:policy/service-role/AWSBackupServiceRolePolicyForBackup")
        ],
        description="takes the database's backups",
        tags=tags(deployment, LAYER),
    )
    suppress(
        role, "AwsSolutions-IAM4", "What AWS Backup needs changes with AWS Backup; AWS keeps it up to date."
    )
    template.add_resource(
        backup.BackupSelection(
            "BackupSelection",
            BackupPlanId=plan.ref(),
            BackupSelection=backup.BackupSelectionResourceType(
                SelectionName="database",
                IamRoleArn=role.get_att("Arn"),
                Resources=[
                    Sub(
                        f"arn:${{AWS::Partition}}:rds:${{AWS::Region}}:${{AWS::AccountId}}:db:${{{database.title}}}"
                    )
                ],
            ),
        )
    )
