"""The data layer: RDS MySQL that accepts TLS only, with its logs, events, backups, bootstrap and proxy."""

from troposphere import AWSHelperFn, Ref, Select, Split, Sub, Template, backup, rds

from templates import aws_versions, keys_layer, network_layer, security_groups
from templates.bootstrap import add_bootstrap
from templates.database_proxy import add_proxy
from templates.deployment import MASTER_USER, SCHEMA, Deployment
from templates.layer_outputs import LayerOutput
from templates.log_groups import add_log_group
from templates.policies import arns
from templates.policies.roles import add_role
from templates.policies.trust_policies import assumed_by
from templates.rendering import new_template
from templates.resource_tags import tags
from templates.suppressions import suppress, suppress_in_packs

LAYER = "data"

DATABASE_HOST = LayerOutput(LAYER, "DatabaseHost")
PROXY_HOST = LayerOutput(LAYER, "ProxyHost")
"""Only with a proxy. Two exports, because the application switches from one to the other while using it."""
DATABASE_RESOURCE_ID = LayerOutput(LAYER, "DatabaseResourceId")
"""The database's resource id, by which `rds-db:connect` names it."""

_LOG_GROUP_IDS = {"audit": "Audit", "error": "Error", "general": "General", "slowquery": "SlowQuery"}
"""The exported logs. The general log stays off and its group empty: it would contain statements' values."""
# Logins only, for the same reason. Those of `rdsadmin`, RDS itself, are among them, about one a second:
# excluding a user excludes its queries, never its logins. What they cost: beanvault/prices.toml.
# https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Appendix.MySQL.Options.AuditPlugin.html
_AUDIT = {"SERVER_AUDIT_EVENTS": "CONNECT"}
_PARAMETERS = {
    "require_secure_transport": "1",  # RDS's default is OFF
    "tls_version": "TLSv1.2,TLSv1.3",
    "log_output": "FILE",  # only files are exported
    "slow_query_log": "1",
    "long_query_time": "2",
    "local_infile": "0",
}


def build(deployment: Deployment) -> Template:
    """Return the template of the database, its logs, events, backups, bootstrap and proxy."""
    template = new_template(deployment, LAYER, "RDS MySQL with its logs, events and backups")
    groups = _add_logs(template, deployment)
    database = _add_database(template, deployment, depends_on=groups)
    _add_events(template, deployment, database)
    if deployment.database.backup_plan:
        _add_backups(template, deployment, database)
    bootstrap = add_bootstrap(template, deployment, LAYER, database)
    template.add_output(
        DATABASE_HOST.output(deployment, database.get_att("Endpoint.Address"), "Host name of the database")
    )
    if deployment.database.mode == "proxy":
        proxy = add_proxy(template, deployment, LAYER, database, depends_on=bootstrap)
        template.add_output(
            PROXY_HOST.output(deployment, proxy.get_att("Endpoint"), "Host name of the database proxy")
        )
    template.add_output(
        DATABASE_RESOURCE_ID.output(
            deployment, database.get_att("DbiResourceId"), "Resource id of the database"
        )
    )
    return template


def _add_logs(template: Template, deployment: Deployment) -> list[str]:
    """Add the log groups before RDS creates them, unencrypted and without expiry; return their ids."""
    titles: list[str] = []
    for kind in _LOG_GROUP_IDS:
        group = add_log_group(
            template,
            deployment,
            LAYER,
            f"{_LOG_GROUP_IDS[kind]}LogGroup",
            f"/aws/rds/instance/{deployment.database_identifier}/{kind}",
            kind,
        )
        titles.append(group.title)
    return titles


def _add_database(template: Template, deployment: Deployment, *, depends_on: list[str]) -> rds.DBInstance:
    settings = deployment.database
    key = keys_layer.DATA_KEY_ARN.imported(deployment)
    subnets = template.add_resource(
        rds.DBSubnetGroup(
            "SubnetGroup",
            DBSubnetGroupDescription="Isolated subnets, without a route out",
            SubnetIds=network_layer.DATABASE_SUBNETS.imported(deployment),
            Tags=tags(deployment, LAYER),
        )
    )
    parameters = template.add_resource(
        rds.DBParameterGroup(
            "ParameterGroup",
            Description="TLS only, slow query log on",
            Family=f"mysql{settings.engine_version}",
            Parameters=_PARAMETERS,
            Tags=tags(deployment, LAYER),
        )
    )
    options = template.add_resource(
        rds.OptionGroup(
            "OptionGroup",
            # Audit plugin: all versions of 8.4 and of 9.7.
            # https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Appendix.MySQL.Options.html
            # The last snapshot keeps it in use, and RDS refuses to delete an option group in use.
            DeletionPolicy="RetainExceptOnCreate",
            UpdateReplacePolicy="Retain",
            OptionGroupDescription="Audit log of logins",
            EngineName="mysql",
            MajorEngineVersion=settings.engine_version,
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
        allow=[],
        managed=[arns.aws_policy("service-role/AmazonRDSEnhancedMonitoringRole")],
        description="publishes the operating system metrics of the database",
        tags=tags(deployment, LAYER),
    )
    suppress(monitoring, "AwsSolutions-IAM4", "RDS accepts only a monitoring role with this policy.")
    database = template.add_resource(
        rds.DBInstance(
            "Database",
            DependsOn=depends_on,
            DeletionPolicy="Snapshot",
            UpdateReplacePolicy="Snapshot",
            DBInstanceIdentifier=deployment.database_identifier,
            DBName=SCHEMA,
            Engine="mysql",
            EngineVersion=settings.engine_version,
            EngineLifecycleSupport="open-source-rds-extended-support-disabled",
            AutoMinorVersionUpgrade=True,
            # RDS upgrades to another series only when `EngineVersion` names it; then it requires this, too.
            # https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_UpgradeDBInstance.MySQL.Major.html
            AllowMajorVersionUpgrade=True,
            DBInstanceClass=settings.instance_class,
            AllocatedStorage=str(settings.storage_gb),
            StorageType="gp3",
            StorageEncrypted=True,
            KmsKeyId=key,
            MultiAZ=settings.multi_az,
            PubliclyAccessible=False,
            DBSubnetGroupName=subnets.ref(),
            VPCSecurityGroups=[security_groups.DATABASE_SECURITY_GROUP.imported(deployment)],
            DBParameterGroupName=parameters.ref(),
            OptionGroupName=options.ref(),
            Port=str(settings.port),
            CACertificateIdentifier=aws_versions.DATABASE_CERTIFICATE_AUTHORITY.in_use,
            MasterUsername=MASTER_USER,
            ManageMasterUserPassword=True,
            MasterUserSecret=rds.MasterUserSecret(KmsKeyId=key),
            EnableIAMDatabaseAuthentication=True,
            BackupRetentionPeriod=settings.backup_days,
            CopyTagsToSnapshot=True,
            DeleteAutomatedBackups=False,
            DeletionProtection=settings.deletion_protection,
            EnableCloudwatchLogsExports=list(_LOG_GROUP_IDS),
            MonitoringInterval=30,
            MonitoringRoleArn=monitoring.get_att("Arn"),
            EnablePerformanceInsights=settings.performance_insights,
            Tags=tags(deployment, LAYER, "database"),
        )
    )
    suppress(
        database,
        "E3691",
        "RDS accepts the release series and chooses its default minor version; a pinned one would be a "
        "downgrade after the first automatic upgrade.",
    )
    if settings.max_storage_gb:
        database.MaxAllocatedStorage = settings.max_storage_gb
    if settings.performance_insights:
        database.PerformanceInsightsKMSKeyId = key
    else:
        suppress(
            database,
            "CKV_AWS_353",
            "The deployment file turns it off; small classes do not support it.",
        )
    if not settings.multi_az:
        one_zone = "A trial, by the deployment file; production refuses one zone."
        for rule in ("CKV_AWS_157", "AwsSolutions-RDS3"):
            suppress(database, rule, one_zone)
        suppress_in_packs(database, "RDSMultiAZSupport", one_zone, "HIPAA NIST")
    if not settings.backup_plan:
        own_backups = "A trial, by the deployment file: RDS's own backups are enough for it."
        suppress_in_packs(database, "RDSInBackupPlan", own_backups, "HIPAA NIST")
    if not settings.deletion_protection:
        deletable = "A trial, by the deployment file; production refuses this, and a snapshot is kept."
        for rule in ("CKV_AWS_293", "AwsSolutions-RDS10"):
            suppress(database, rule, deletable)
        suppress_in_packs(database, "RDSInstanceDeletionProtectionEnabled", deletable, "HIPAA NIST")
    return database


def _add_events(template: Template, deployment: Deployment, database: rds.DBInstance) -> None:
    """Alert on events of the instance, its parameter groups and its security groups (RDS.20 to RDS.22)."""
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
        ("ParameterGroup", "db-parameter-group", ["configuration change"], Ref("ParameterGroup")),
        ("SecurityGroup", "db-security-group", ["configuration change", "failure"], None),
    )
    for name, source, categories, identifier in kinds:
        template.add_resource(
            rds.EventSubscription(
                f"{name}EventSubscription",
                SnsTopicArn=keys_layer.TOPIC_ARN.imported(deployment),
                SourceType=source,
                EventCategories=categories,
                Enabled=True,
                Tags=tags(deployment, LAYER),
                **({"SourceIds": [identifier]} if identifier else {}),
            )
        )


def _stack_suffix() -> Select:
    """Return the first part of the stack's UUID, which ends its ARN."""
    return Select(0, Split("-", Select(2, Split("/", Ref("AWS::StackId")))))


def _add_backups(template: Template, deployment: Deployment, database: rds.DBInstance) -> None:
    """Add daily backups apart from RDS's own, which are deleted with the instance (RDS.26)."""
    vault = template.add_resource(
        backup.BackupVault(
            "BackupVault",
            **deployment.retention,
            # A name of the stack's own: the vault that an earlier deployment left keeps its backups and its
            # key. A vault's key can't change, so the next deployment could not take it over.
            BackupVaultName=Sub(f"{deployment.name}-database-${{Id}}", Id=_stack_suffix()),
            EncryptionKeyArn=keys_layer.DATA_KEY_ARN.imported(deployment),
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
        allow=[],
        managed=[arns.aws_policy("service-role/AWSBackupServiceRolePolicyForBackup")],
        description="takes the database's backups",
        tags=tags(deployment, LAYER),
    )
    suppress(
        role,
        "AwsSolutions-IAM4",
        "What AWS Backup needs changes over time; AWS keeps this policy up to date.",
    )
    template.add_resource(
        backup.BackupSelection(
            "BackupSelection",
            BackupPlanId=plan.ref(),
            BackupSelection=backup.BackupSelectionResourceType(
                SelectionName="database",
                IamRoleArn=role.get_att("Arn"),
                Resources=[arns.database(f"${{{database.title}}}")],
            ),
        )
    )
